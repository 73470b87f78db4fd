"""
A short valid file for every importer.

Those of G-NetTrack, Network Cell Info, Murakami and obudpst have the layout of real files; those
of iperf3 are shortened from what iperf 3.12 wrote. The others are written by hand from what their
tools publish: Network Survey's lists of columns, speedtest-cli's and LibreSpeed's report writers,
Ookla's and ndt7-client's summaries, NetTest's specification of open data.
"""

import json
import sqlite3
import struct
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest

from phusong.data.importers.interface import Options, read_timezone
from phusong.data.importers.run import FileReport, import_file
from phusong.data.sample import Sample
from phusong.data.store import Store

HANOI = Options(
    timezone=read_timezone("Asia/Ho_Chi_Minh"), at=datetime(2026, 7, 1, 1, 30, tzinfo=UTC)
)
ROWS = 4

GNETTRACK_CSV = (
    "Timestamp,Longitude,Latitude,Operatorname,NetworkMode,RSRP,RSRQ,SNR,DL_bitrate,UL_bitrate"
)
GNETTRACK_LOG = (
    "Timestamp,Longitude,Latitude,Operatorname,Operator,Node,CellID,LAC,NetworkTech,Level,Qual,SNR"
    ",PSC"
)
CELL = "452,04,5124,167172104,21.03,105.85,-95,1763347401694,LTE,5124,{i}"
TABLES = {
    "gnettrack-csv": (
        GNETTRACK_CSV,
        "2026.07.01_08.30.0{i},105.85,21.03,Viettel,LTE,-95,-10,12.0,30,4",
    ),
    "gnettrack-log": (
        GNETTRACK_LOG,
        "2026.07.01_08.30.0{i},105.85,21.03,Viettel,45204,21,11,7000,4G,-81,-8,5.0,3",
    ),
    "gnettrack-test": (
        f"{GNETTRACK_LOG},PINGAVG,PINGLOSS,TESTDOWNLINK,TESTUPLINK",
        "2026.07.01_08.30.0{i},105.85,21.03,Viettel,45204,21,11,7000,4G,-81,-8,5.0,3,78,0,35925,88",
    ),
    "gnettrack-events": (
        f"{GNETTRACK_LOG},EventType,EventDetails,State",
        "2026.07.01_08.30.0{i},105.85,21.03,Viettel,45204,21,11,7000,4G,-81,-8,5.0,3,HANDOVER_4G4G,,D",
    ),
    "ookla-tiles": (
        "quadkey,tile,avg_d_kbps,avg_u_kbps,avg_lat_ms,tests,devices",
        '132231113{i},"POLYGON((105 21, 106 21, 106 20, 105 21))",76860,26980,22,12,5',
    ),
    "opencellid-cells": (
        "radio,mcc,net,area,cell,unit,lon,lat,range,samples,created,updated,averageSignal",
        "LTE,452,4,5124,16717210{i},0,105.85,21.03,1000,7,1782869400,1782869400,-95",
    ),
    "netcellinfo": ("mcc,mnc,lac,cellid,lat,lon,signal,measured_at,act,tac,pci", CELL),
    "netcellinfo-merged": (
        "mcc,mnc,lac,CellID,Latitude,Longitude,RSRP,Timestamp,NetworkType,tac,pci,source_file",
        f"{CELL},a.csv",
    ),
    "opencellid": (
        "mcc,mnc,lac,cellid,lon,lat,signal,measured_at,act",
        "452,4,5124,167172104,105.85,21.03,-95,2026-07-01 01:30:0{i}+00:00,LTE",
    ),
    "network-survey-lte": (
        (
            "# CSV Version=0.4.0\ndeviceTime,latitude,longitude,altitude,speed,accuracy,missionId,"
            "recordNumber,groupNumber,mcc,mnc,tac,eci,earfcn,pci,rsrp,rsrq,ta,servingCell,lteBandwidth,"
            "provider,signalStrength,cqi,slot,snr,deviceSerialNumber,locationAge"
        ),
        (
            "2026-07-01T08:30:0{i}.123+07:00,21.030000,105.850000,12.00,1.50,8.25,NS,{i},1,452,"
            "4,5124,167172104,1275,3,-95.0,-10.0,2,true,MHZ_20,Viettel,-65.0,12,0,11.5,abc,"
        ),
    ),
    "network-survey-nr": (
        (
            "# CSV Version=0.5.0\ndeviceTime,latitude,longitude,altitude,speed,accuracy,missionId,"
            "recordNumber,groupNumber,mcc,mnc,tac,nci,narfcn,pci,ssRsrp,ssRsrq,ssSinr,csiRsrp,csiRsrq,"
            "csiSinr,ta,servingCell,provider,slot,deviceSerialNumber,locationAge"
        ),
        (
            "2026-07-01T01:30:0{i}Z,21.03,105.85,12.00,1.50,8.25,m,{i},1,452,4,5124,5729091585,627264,"
            "412,-88.0,-11.0,17.0,,,,,true,Viettel,0,abc,"
        ),
    ),
    "rtr-nettest": (
        (
            "open_uuid,open_test_uuid,time_utc,cat_technology,network_type,lat,long,loc_src,"
            "loc_accuracy,download_kbit,upload_kbit,ping_ms,lte_rsrp,lte_rsrq,server_name,"
            "test_duration,num_threads,client_version,network_mcc_mnc,network_name,signal_strength"
        ),
        (
            "P1,O{i},2026-07-01 01:30:0{i},4G,LTE,21.03,105.85,gps,6.0,22180,22409,31.9,-95,-10,"
            "Hanoi,7,3,1.0,452-04,Viettel,"
        ),
    ),
    "rtr-netmetr": (
        "open_uuid,open_test_uuid,time,cat_technology,lat,long,download_kbit,upload_kbit,ping_ms",
        "P1,O{i},2026-07-01 01:3{i},WLAN,21.03,105.85,22180,22409,31.9",
    ),
    "speedtest-cli-csv": (
        "Server ID,Sponsor,Server Name,Timestamp,Distance,Ping,Download,Upload,Share,IP Address",
        "9903,Viettel,Hanoi,2026-07-01T01:30:0{i}.123456Z,1.2,21.5,76860000.5,26980000.5,,192.0.2.1",
    ),
    "librespeed-cli-csv": (
        "Timestamp,Server Name,Address,Ping,Jitter,Download,Upload,Share,IP",
        "2026-07-01T08:30:0{i}.123456789+07:00,Hanoi,http://192.0.2.9/,21.5,1.2,76.86,26.98,,::1",
    ),
    "librespeed-page": (
        "id,timestamp,ip,ispinfo,extra,ua,lang,dl,ul,ping,jitter,log",
        "{i},2026-07-01 08:30:0{i},192.0.2.1,Viettel,,Firefox,vi,106.00,53.00,21.5,1.2,",
    ),
}
DOCUMENTS: dict[str, dict[str, object]] = {
    "speedtest-cli": {
        "timestamp": "2026-07-01T01:30:00.123456Z",
        "download": 76860000.5,
        "upload": 26980000.5,
        "ping": 21.5,
        "bytes_sent": 34000000,
        "bytes_received": 96000000,
        "share": None,
        "server": {"sponsor": "Viettel", "host": "speed.example:8080", "lat": "21.0", "id": "1"},
        "client": {"ip": "192.0.2.1", "lat": "16.0", "lon": "106.0"},
    },
    "librespeed-cli": {
        "timestamp": "2026-07-01T08:30:00.123456789+07:00",
        "server": {"name": "Hanoi", "url": "http://192.0.2.9/"},
        "client": {"ip": "2001:db8::1"},
        "bytes_sent": 34000000,
        "bytes_received": 96000000,
        "ping": 21.5,
        "jitter": 1.2,
        "upload": 26.98,
        "download": 76.86,
        "share": "",
    },
    "ookla-cli": {
        "type": "result",
        "timestamp": "2026-07-01T01:30:00Z",
        "ping": {"jitter": 1.2, "latency": 21.5, "low": 20.0, "high": 24.0},
        "download": {
            "bandwidth": 9607500,
            "bytes": 96000000,
            "elapsed": 10000,
            "latency": {"iqm": 45.5},
        },
        "upload": {"bandwidth": 3372500, "bytes": 34000000, "elapsed": 8000},
        "packetLoss": 0.78125,
        "server": {"host": "speed.example", "ip": "192.0.2.9"},
    },
    "ndt7-client": {
        "ServerFQDN": "ndt-mlab1-han01.example",
        "ServerIP": "2001:db8::9",
        "ClientIP": "2001:db8::1",
        "Download": {
            "UUID": "u",
            "Throughput": {"Value": 76.86, "Unit": "Mbit/s"},
            "Latency": {"Value": 21.5, "Unit": "ms"},
        },
        "Upload": {"UUID": "v", "Throughput": {"Value": 26.98, "Unit": "Mbit/s"}},
    },
    "iperf3": {
        "start": {
            "connected": [{"socket": 5}],
            "version": "iperf 3.12",
            "system_info": "Linux",
            "timestamp": {"time": "Wed, 01 Jul 2026 01:30:00 GMT", "timesecs": 1782869400},
            "connecting_to": {"host": "192.0.2.9", "port": 5201},
            "test_start": {"protocol": "TCP", "num_streams": 1, "reverse": 1, "target_bitrate": 0},
        },
        "intervals": [],
        "end": {
            "sum_sent": {"seconds": 10.05, "bytes": 97000000, "bits_per_second": 77213930.3},
            "sum_received": {"seconds": 10.0, "bytes": 96075000, "bits_per_second": 76860000.0},
        },
    },
    "tr471-obudpst": {
        "IPLayerCapSupported": {"SoftwareVersion": "9.0.0"},
        "Input": {"Role": "Receiver", "Host": "s.example", "HostIPAddress": "192.0.2.9"},
        "Output": {
            "BOMTime": "2026-07-01T01:30:00.000000Z",
            "TestInterval": 10,
            "Summary": {"LossRatioSummary": 0.025, "RTTAvg": 0.01},
            "AtMax": {"MaxIPLayerCapacity": 76.86},
        },
        "ErrorStatus": 0,
        "ErrorMessage": "",
    },
    "murakami": {
        "TestName": "ndt7",
        "TestStartTime": "2026-07-01T01:30:00.000000",
        "MurakamiConnectionType": "wired",
        "ServerName": "ndt.example",
        "ServerIP": "192.0.2.9",
        "DownloadValue": 76.86,
        "DownloadUnit": "Mbit/s",
        "DownloadError": None,
        "UploadValue": 26.98,
        "UploadUnit": "Mbit/s",
        "UploadError": None,
    },
}

Import = Callable[..., tuple[FileReport, list[Sample]]]


@pytest.fixture(scope="session")
def originals() -> dict[str, bytes]:
    """Give a valid file of four rows for every importer of text, by its tool."""
    files = {
        tool: "\n".join([header, *(row.format(i=i) for i in range(ROWS))]).encode() + b"\n"
        for tool, (header, row) in TABLES.items()
    }
    for number, (tool, document) in enumerate(DOCUMENTS.items()):
        indent = (None, 2)[number % 2]
        files[tool] = "\n".join([json.dumps(document, indent=indent)] * ROWS).encode() + b"\n"
    return files


@pytest.fixture
def document() -> Callable[..., str]:
    """Give a tool's document as JSON, with values changed by their paths."""

    def make(tool: str, changes: Mapping[str, object] | None = None) -> str:
        content = json.loads(json.dumps(DOCUMENTS[tool]))
        for path, value in (changes or {}).items():
            *above, key = path.split(".")
            place = content
            for name in above:
                place = place.setdefault(name, {})
            place[key] = value
        return json.dumps(content)

    return make


@pytest.fixture
def imported(store: Store, tmp_path: Path) -> Import:
    """Write a text, import it, and give the report and the samples."""

    def run(
        content: str | bytes, options: Options = HANOI, name: str = "log"
    ) -> tuple[FileReport, list[Sample]]:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        (report,) = import_file(store, path, options).files
        return report, [Sample.from_body(body) for _, body in store.bodies()]

    return run


@pytest.fixture
def geopackage(tmp_path: Path) -> Path:
    """Give a GeoPackage as Network Survey writes it: two rows of LTE, one of them a neighbour's."""
    path = tmp_path / "survey.gpkg"
    point = b"GP\0\x01" + struct.pack("<iBIddd", 4326, 1, 1001, 105.85, 21.03, 12.0)
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT);"
            "INSERT INTO gpkg_geometry_columns VALUES ('LTE_MESSAGE', 'geom'), ('none', 'geom');"
            "CREATE TABLE LTE_MESSAGE (id INTEGER PRIMARY KEY, geom BLOB, Time INTEGER,"
            ' RecordNumber INTEGER, GroupNumber INTEGER, "Serving Cell" INTEGER, Provider TEXT,'
            " MCC INTEGER, MNC INTEGER, TAC INTEGER, ECI INTEGER, DL_EARFCN INTEGER,"
            " Phys_Cell_ID INTEGER, RSRP REAL, RSRQ REAL, TA INTEGER, DL_Bandwidth TEXT);"
        )
        for serving in (1, 0):
            connection.execute(
                "INSERT INTO LTE_MESSAGE VALUES (NULL, ?, 1782869400123, 1, 1, ?, 'Viettel', 452,"
                " 4, 5124, 167172104, 1275, 3, -95.0, -10.0, 2, '20')",
                (point, serving),
            )
    connection.close()
    return path


@pytest.fixture
def nr_geopackage(tmp_path: Path) -> Path:
    """
    Give a GeoPackage of NR records, with the columns of Network Survey's published list.

    A standalone cell, the NR leg beside an LTE anchor, one such leg without a level, a neighbour.
    """
    path = tmp_path / "nr.gpkg"
    point = b"GP\0\x01" + struct.pack("<iBIddd", 4326, 1, 1001, 105.85, 21.03, 12.0)
    records = (
        (1, 452, 4, 5124, 5729091585, 412, -88.0, -11.0, 17.0),
        (1, 452, 4, None, None, 412, -101.0, 12.5, 8.0),
        (1, 452, 4, None, None, 412, None, None, None),
        (0, None, None, None, None, 7, -110.0, -15.0, None),
    )
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "CREATE TABLE gpkg_geometry_columns (table_name TEXT, column_name TEXT);"
            "INSERT INTO gpkg_geometry_columns VALUES ('NR_MESSAGE', 'geom');"
            "CREATE TABLE NR_MESSAGE (id INTEGER PRIMARY KEY, geom BLOB, Time INTEGER,"
            ' RecordNumber INTEGER, GroupNumber INTEGER, "Serving Cell" INTEGER, Provider TEXT,'
            " MCC INTEGER, MNC INTEGER, TAC INTEGER, NCI INTEGER, NARFCN INTEGER,"
            " Phys_cell_ID INTEGER, SS_RSRP REAL, SS_RSRQ REAL, SS_SINR REAL);"
        )
        for serving, mcc, mnc, tac, nci, pci, rsrp, rsrq, sinr in records:
            connection.execute(
                "INSERT INTO NR_MESSAGE VALUES"
                " (NULL, ?, 1782869400123, 1, 1, ?, 'Viettel', ?, ?, ?, ?, 630000, ?, ?, ?, ?)",
                (point, serving, mcc, mnc, tac, nci, pci, rsrp, rsrq, sinr),
            )
    connection.close()
    return path
