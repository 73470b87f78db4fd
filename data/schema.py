"""
The tables, and how an older file becomes a newer one.

`sample` is narrow: what questions are asked of, one short row an attempt. `evidence` holds the
bodies, so that a scan of ten million samples does not drag their evidence along. Both are
append-only: triggers refuse UPDATE and DELETE whoever asks. STRICT tables keep text out of
numbers. The schema uses no function but `length`, because SQLite before 3.44 refuses others in
a file opened with ``trusted_schema=off``, which is how a stranger's store is read.

`body` is TEXT so that a person can read it in any SQLite browser; its bytes are exactly those
that were hashed, because valid UTF-8 goes in and out of SQLite unchanged.

Times are whole microseconds since 1970 in UTC; the view `attempts` shows them as text.
`PRAGMA user_version` is the number of migrations applied; add one at the end, never edit one.
"""

APPLICATION_ID = 0x70687367  # "phsg"

_V1 = """
CREATE TABLE vantage (
    probe TEXT NOT NULL PRIMARY KEY,
    created_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE sample (
    n INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE CHECK (length(id) = 32),
    probe TEXT NOT NULL,
    seq INTEGER NOT NULL,
    kind TEXT NOT NULL,
    started_us INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    reason TEXT,
    duration_s REAL,
    engine TEXT,
    server TEXT,
    family INTEGER,
    down_mbps REAL,
    up_mbps REAL,
    rtt_idle_ms REAL,
    rtt_loaded_ms REAL,
    jitter_ms REAL,
    loss_ratio REAL,
    bytes_down INTEGER,
    bytes_up INTEGER,
    traffic_down_mbps REAL,
    traffic_up_mbps REAL,
    lon REAL CHECK (lon BETWEEN -180 AND 180),
    lat REAL CHECK (lat BETWEEN -90 AND 90),
    accuracy_m REAL,
    plmn TEXT,
    operator TEXT,
    rat TEXT,
    nr_evidence TEXT,
    cell_id TEXT,
    level_dbm REAL,
    rsrp_dbm REAL,
    rsrq_db REAL,
    sinr_db REAL,
    nr_rsrp_dbm REAL,
    tool TEXT NOT NULL,
    file_sha256 TEXT,
    line INTEGER,
    simulated INTEGER NOT NULL CHECK (simulated IN (0, 1)),
    CHECK ((lon IS NULL) = (lat IS NULL))
) STRICT;

CREATE INDEX sample_probe_seq ON sample (probe, seq);

CREATE TABLE evidence (
    n INTEGER PRIMARY KEY REFERENCES sample (n),
    body TEXT NOT NULL
) STRICT;

CREATE TABLE source_file (
    sha256 TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    tool TEXT NOT NULL,
    imported_us INTEGER NOT NULL
) STRICT;

CREATE TABLE rejected (
    n INTEGER PRIMARY KEY,
    tool TEXT NOT NULL,
    file TEXT NOT NULL,
    file_sha256 TEXT NOT NULL,
    line INTEGER NOT NULL,
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    record TEXT NOT NULL,
    rejected_us INTEGER NOT NULL,
    UNIQUE (file_sha256, line, reason)
) STRICT;

CREATE TABLE boundary_set (
    id TEXT NOT NULL PRIMARY KEY,
    name TEXT NOT NULL,
    source TEXT NOT NULL,
    vintage TEXT,
    approximate INTEGER NOT NULL CHECK (approximate IN (0, 1)),
    loaded_us INTEGER NOT NULL,
    report TEXT NOT NULL
) STRICT;

CREATE TABLE boundary (
    set_id TEXT NOT NULL REFERENCES boundary_set (id),
    level TEXT NOT NULL,
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    parent_code TEXT,
    parent_name TEXT,
    wkb BLOB NOT NULL,
    PRIMARY KEY (set_id, level, code)
) STRICT;

CREATE TABLE result (
    id INTEGER PRIMARY KEY,
    computed_us INTEGER NOT NULL,
    rule TEXT NOT NULL,
    area TEXT NOT NULL,
    boundary_set_id TEXT REFERENCES boundary_set (id),
    software TEXT NOT NULL,
    inputs TEXT NOT NULL
) STRICT;

CREATE TABLE result_area (
    result_id INTEGER NOT NULL REFERENCES result (id),
    code TEXT NOT NULL,
    name TEXT NOT NULL,
    operator TEXT NOT NULL,
    verdict TEXT NOT NULL,
    share REAL,
    share_low REAL,
    share_high REAL,
    trials INTEGER NOT NULL,
    successes INTEGER NOT NULL,
    places INTEGER NOT NULL,
    simulated INTEGER NOT NULL,
    summary TEXT NOT NULL,
    PRIMARY KEY (result_id, code, operator)
) STRICT;

CREATE TRIGGER sample_no_update BEFORE UPDATE ON sample
    BEGIN SELECT RAISE(ABORT, 'samples are append-only'); END;
CREATE TRIGGER sample_no_delete BEFORE DELETE ON sample
    BEGIN SELECT RAISE(ABORT, 'samples are append-only'); END;
CREATE TRIGGER evidence_no_update BEFORE UPDATE ON evidence
    BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END;
CREATE TRIGGER evidence_no_delete BEFORE DELETE ON evidence
    BEGIN SELECT RAISE(ABORT, 'evidence is append-only'); END;
CREATE TRIGGER rejected_no_update BEFORE UPDATE ON rejected
    BEGIN SELECT RAISE(ABORT, 'rejected rows are append-only'); END;
CREATE TRIGGER rejected_no_delete BEFORE DELETE ON rejected
    BEGIN SELECT RAISE(ABORT, 'rejected rows are append-only'); END;

CREATE VIEW attempts AS
    SELECT
        s.n,
        hex(s.id) AS id,
        strftime('%Y-%m-%dT%H:%M:%SZ', s.started_us / 1000000, 'unixepoch') AS started_at,
        s.probe, s.seq, s.kind, s.outcome, s.reason, s.duration_s, s.engine, s.server, s.family,
        s.down_mbps, s.up_mbps, s.rtt_idle_ms, s.rtt_loaded_ms, s.jitter_ms, s.loss_ratio,
        s.bytes_down, s.bytes_up, s.traffic_down_mbps, s.traffic_up_mbps,
        s.lon, s.lat, s.accuracy_m,
        s.operator, s.plmn, s.rat, s.nr_evidence, s.cell_id,
        s.level_dbm, s.rsrp_dbm, s.rsrq_db, s.sinr_db, s.nr_rsrp_dbm,
        s.tool, f.name AS file, s.line,
        CASE s.simulated WHEN 1 THEN 'simulated' ELSE 'measured' END AS origin
    FROM sample AS s LEFT JOIN source_file AS f ON f.sha256 = s.file_sha256;

CREATE VIEW rejections AS
    SELECT
        tool, file, line, reason, message, record,
        strftime('%Y-%m-%dT%H:%M:%SZ', rejected_us / 1000000, 'unixepoch') AS rejected_at
    FROM rejected;

CREATE VIEW conflict AS
    SELECT probe, seq, count(*) AS bodies FROM sample GROUP BY probe, seq HAVING count(*) > 1;
"""

# What a figure is worth: its interval, whether the instrument was its limit, loss by direction.
_V2 = """
ALTER TABLE sample ADD COLUMN down_low_mbps REAL;
ALTER TABLE sample ADD COLUMN down_high_mbps REAL;
ALTER TABLE sample ADD COLUMN up_low_mbps REAL;
ALTER TABLE sample ADD COLUMN up_high_mbps REAL;
ALTER TABLE sample ADD COLUMN loss_up_ratio REAL;
ALTER TABLE sample ADD COLUMN loss_down_ratio REAL;
ALTER TABLE sample ADD COLUMN near_ceiling INTEGER CHECK (near_ceiling IN (0, 1));

CREATE TABLE notice (
    name TEXT NOT NULL PRIMARY KEY,
    shown_us INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

DROP VIEW attempts;
CREATE VIEW attempts AS
    SELECT
        s.n,
        hex(s.id) AS id,
        strftime('%Y-%m-%dT%H:%M:%SZ', s.started_us / 1000000, 'unixepoch') AS started_at,
        s.probe, s.seq, s.kind, s.outcome, s.reason, s.duration_s, s.engine, s.server, s.family,
        s.down_mbps, s.down_low_mbps, s.down_high_mbps, s.up_mbps, s.up_low_mbps, s.up_high_mbps,
        s.near_ceiling,
        s.rtt_idle_ms, s.rtt_loaded_ms, s.jitter_ms,
        s.loss_ratio, s.loss_up_ratio, s.loss_down_ratio,
        s.bytes_down, s.bytes_up, s.traffic_down_mbps, s.traffic_up_mbps,
        s.lon, s.lat, s.accuracy_m,
        s.operator, s.plmn, s.rat, s.nr_evidence, s.cell_id,
        s.level_dbm, s.rsrp_dbm, s.rsrq_db, s.sinr_db, s.nr_rsrp_dbm,
        s.tool, f.name AS file, s.line,
        CASE s.simulated WHEN 1 THEN 'simulated' ELSE 'measured' END AS origin
    FROM sample AS s LEFT JOIN source_file AS f ON f.sha256 = s.file_sha256;
"""

# Averages that others made of many tests: never an attempt, so in a table of their own.
_AGGREGATES = """
CREATE TABLE aggregate (
    n INTEGER PRIMARY KEY,
    tool TEXT NOT NULL,
    file_sha256 TEXT NOT NULL,
    line INTEGER NOT NULL,
    place TEXT NOT NULL,
    west REAL NOT NULL,
    south REAL NOT NULL,
    east REAL NOT NULL,
    north REAL NOT NULL,
    period TEXT,
    access TEXT,
    plmn TEXT,
    rat TEXT,
    tests INTEGER NOT NULL CHECK (tests > 0),
    devices INTEGER CHECK (devices > 0),
    down_mbps REAL,
    up_mbps REAL,
    rtt_idle_ms REAL,
    rtt_loaded_down_ms REAL,
    rtt_loaded_up_ms REAL,
    level_dbm REAL,
    record TEXT NOT NULL,
    UNIQUE (file_sha256, line),
    CHECK (west <= east AND south <= north)
) STRICT;

CREATE TRIGGER aggregate_no_update BEFORE UPDATE ON aggregate
    BEGIN SELECT RAISE(ABORT, 'aggregates are append-only'); END;
CREATE TRIGGER aggregate_no_delete BEFORE DELETE ON aggregate
    BEGIN SELECT RAISE(ABORT, 'aggregates are append-only'); END;
"""

# Where a sample without a position was, by a track that was recorded beside it. The evidence
# stays as it is; what is joined to it can be joined again.
_LOCATED = """
CREATE TABLE located (
    n INTEGER PRIMARY KEY REFERENCES sample (n),
    lon REAL NOT NULL CHECK (lon BETWEEN -180 AND 180),
    lat REAL NOT NULL CHECK (lat BETWEEN -90 AND 90),
    accuracy_m REAL,
    age_s REAL NOT NULL,
    source TEXT NOT NULL,
    track_sha256 TEXT NOT NULL,
    located_us INTEGER NOT NULL
) STRICT;

DROP VIEW attempts;
CREATE VIEW attempts AS
    SELECT
        s.n,
        hex(s.id) AS id,
        strftime('%Y-%m-%dT%H:%M:%SZ', s.started_us / 1000000, 'unixepoch') AS started_at,
        s.probe, s.seq, s.kind, s.outcome, s.reason, s.duration_s, s.engine, s.server, s.family,
        s.down_mbps, s.down_low_mbps, s.down_high_mbps, s.up_mbps, s.up_low_mbps, s.up_high_mbps,
        s.near_ceiling,
        s.rtt_idle_ms, s.rtt_loaded_ms, s.jitter_ms,
        s.loss_ratio, s.loss_up_ratio, s.loss_down_ratio,
        s.bytes_down, s.bytes_up, s.traffic_down_mbps, s.traffic_up_mbps,
        coalesce(s.lon, l.lon) AS lon,
        coalesce(s.lat, l.lat) AS lat,
        CASE WHEN s.lon IS NULL THEN l.accuracy_m ELSE s.accuracy_m END AS accuracy_m,
        CASE WHEN s.lon IS NULL THEN l.source END AS located_by,
        s.operator, s.plmn, s.rat, s.nr_evidence, s.cell_id,
        s.level_dbm, s.rsrp_dbm, s.rsrq_db, s.sinr_db, s.nr_rsrp_dbm,
        s.tool, f.name AS file, s.line,
        CASE s.simulated WHEN 1 THEN 'simulated' ELSE 'measured' END AS origin
    FROM sample AS s
    LEFT JOIN source_file AS f ON f.sha256 = s.file_sha256
    LEFT JOIN located AS l ON l.n = s.n;
"""

# What the field agent did and did not do, and what data that cost. `agent_attempt` is written
# before an attempt begins: one that stays `begun` was ended by a kill or a power cut, and its data
# counts as reserved, because nobody can say how much of it was used. Times on the boot clock
# (which goes on in suspend, and is not set) order what the wall clock may not.
_LEDGER = """
CREATE TABLE agent_run (
    n INTEGER PRIMARY KEY,
    mode TEXT NOT NULL,
    plan TEXT NOT NULL,
    process INTEGER NOT NULL,
    boot_id TEXT,
    started_us INTEGER NOT NULL,
    seen_us INTEGER NOT NULL,
    seen_boot_ms INTEGER NOT NULL,
    ended_us INTEGER,
    ended TEXT
) STRICT;

CREATE TABLE agent_attempt (
    n INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES agent_run (n),
    begun_us INTEGER NOT NULL,
    begun_boot_ms INTEGER NOT NULL,
    family INTEGER,
    lon REAL,
    lat REAL,
    happened TEXT NOT NULL CHECK (happened IN ('begun', 'measured', 'not_measured')),
    why TEXT,
    ended_us INTEGER,
    probe TEXT,
    seq INTEGER
) STRICT;

CREATE INDEX agent_attempt_run ON agent_attempt (run);

CREATE TABLE agent_event (
    n INTEGER PRIMARY KEY,
    run INTEGER NOT NULL REFERENCES agent_run (n),
    what TEXT NOT NULL,
    from_us INTEGER NOT NULL,
    until_us INTEGER NOT NULL,
    seconds REAL NOT NULL
) STRICT;

CREATE TABLE data_used (
    n INTEGER PRIMARY KEY,
    attempt INTEGER NOT NULL UNIQUE REFERENCES agent_attempt (n),
    sim TEXT NOT NULL,
    month TEXT NOT NULL,
    scope TEXT NOT NULL,
    reserved_bytes INTEGER NOT NULL CHECK (reserved_bytes >= 0),
    used_bytes INTEGER CHECK (used_bytes >= 0)
) STRICT;

CREATE INDEX data_used_sim_month ON data_used (sim, month);

CREATE VIEW data_used_by_month AS
    SELECT sim, month, count(*) AS attempts,
        sum(coalesce(used_bytes, reserved_bytes)) AS bytes,
        sum(used_bytes IS NULL) AS unsettled
    FROM data_used GROUP BY sim, month;
"""

# Up to which sample the evidence was handed over, so that the agent can say what was not. And
# which month data was booked in because a satellite said so: a clock that is set cannot do that.
_HANDED_OVER = """
CREATE TABLE handed_over (
    n INTEGER PRIMARY KEY,
    up_to INTEGER NOT NULL,
    format TEXT NOT NULL,
    file TEXT NOT NULL,
    handed_us INTEGER NOT NULL
) STRICT;

CREATE TABLE month_confirmed (
    n INTEGER PRIMARY KEY,
    month TEXT NOT NULL,
    after_event INTEGER NOT NULL,
    confirmed_us INTEGER NOT NULL
) STRICT;
"""

# Every judgement asks first which probes have samples that name no network. With this the answer
# takes no look at the others; without it, it reads every sample.
_UNNAMED = """
CREATE INDEX sample_unnamed ON sample (probe) WHERE operator IS NULL AND plmn IS NULL;
"""

MIGRATIONS: tuple[str, ...] = (_V1, _V2, _AGGREGATES, _LOCATED, _LEDGER, _HANDED_OVER, _UNNAMED)
SCHEMA_VERSION = len(MIGRATIONS)
