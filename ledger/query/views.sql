-- Views over the log. One row per thing; times are TIMESTAMP WITH TIME ZONE and shown in UTC. comments.sql says what the columns mean.
-- Below this file lie (views.py): _parsed_lines, the entries of segments, and of packs without an index, as they stand there; _index_rows,
-- the rows of indexes; _near_rows, those among all rows that decide the state of scripts at the time that was looked at last, and _last_rows those
-- at the end of the log; _ids, the beginnings of ids;
-- _pack_texts, the entries of packs with an index, as text; the macros
-- blob_data, blob_changes, blob_triggers and blob_text, which answer for what an oversized entry moved to the blob store;
-- the macro person(account, pseudonym, sealed), the name of a person where the key store knows it, else the pseudonym;
-- and the macro _seen(shard, place, account, recorded_at), whether such an entry is to be seen (--as-known-at; who asks, and up to where).
-- Names that begin with an underscore are not part of the interface.

-- ---------------------------------------------------------------------------------------------------------------- entries

-- A row for each entry and script that it touched: of what has an index from there, of all else from the entries.
CREATE VIEW _rows AS
FROM _index_rows
UNION ALL BY NAME
FROM _parsed_rows;

CREATE MACRO _resolved(relation) AS TABLE
SELECT
    shard, "index", account, script, lost_to, recorded_at, effective_at, skew, outcome, first_index, source, until, took_from,
    CASE
        WHEN data_sha256 IS NULL THEN _data(actor_type, actor, sealed, interface, message, tag)
        ELSE _data_of(blob_data(data_sha256))
    END AS data,
    data_sha256,
    CASE WHEN version_number IS NOT NULL THEN {'id': version_id::VARCHAR, 'number': version_number} END AS version,
    lower(hex(version_sha256)) AS version_sha256,
    CASE WHEN deployment_number IS NOT NULL THEN {
        'id': deployment_id::VARCHAR,
        'number': deployment_number,
        'versions': CASE
            WHEN deployment_versions IS NULL THEN MAP {coalesce(version_id::VARCHAR, ''): 100.0::DOUBLE}
            ELSE deployment_versions
        END,
        'rollback': rollback,
        'rollback_of': rollback_of::VARCHAR
    } END AS deployment,
    CASE WHEN changes_sha256 IS NULL THEN changes ELSE blob_changes(changes_sha256) END AS changes,
    CASE WHEN triggers_sha256 IS NULL THEN _triggers(triggers) ELSE blob_triggers(triggers_sha256) END AS triggers,
    event, origin, reason, account_index, account_prev, manifest, others
FROM query_table(relation)
WHERE _seen(shard, "index", account, recorded_at);

CREATE MACRO _entries_in(relation) AS TABLE
SELECT * EXCLUDE (script, lost_to, until), script AS subject FROM _resolved(relation) WHERE lost_to IS NULL;

-- One row per entry. Of one in an index, what only its text holds is not there; event, origin and reason are where it was rejected or is a
-- note, its clock was off or records were lost.
CREATE VIEW _log AS FROM _entries_in('_rows');

-- The same with all that an entry holds. What is in segments is there already, and stays in the order of the log.
CREATE VIEW _whole AS
FROM _entries_in('_parsed_rows')
UNION ALL BY NAME
SELECT log.* REPLACE (
    (text ->> '$.account_index')::BIGINT AS account_index,
    text ->> '$.account_prev' AS account_prev,
    text -> '$.version.manifest' AS manifest,
    _event(text -> '$.event') AS event,
    _origin(text -> '$.origin') AS origin,
    _others(text -> '$.others') AS others
)
FROM _entries_in('_index_rows') AS log JOIN _pack_texts USING (shard, "index");

CREATE VIEW entries AS
SELECT
    shard,
    "index",
    account,
    account_index,
    account_prev,
    CASE WHEN outcome <> 'noted' THEN subject END AS script,
    outcome,
    recorded_at,
    effective_at,
    skew,
    data.actor.pseudonym AS actor,
    person(account, data.actor.pseudonym, data.actor.sealed) AS author,
    data.actor.type AS actor_type,
    data.interface AS interface,
    data.message AS message,
    data.tag AS tag,
    event,
    reason,
    first_index,
    changes,
    CASE WHEN version IS NOT NULL THEN {
        'id': version.id, 'number': version.number, 'sha256': version_sha256, 'manifest': manifest
    } END AS version,
    deployment,
    triggers,
    others,
    origin
FROM _whole;

CREATE VIEW rejected AS
SELECT
    shard,
    "index",
    account,
    subject AS script,
    recorded_at,
    reason.code AS code,
    reason.path AS path,
    reason.detail AS detail,
    event.source AS source,
    event.id AS event_id,
    event.time AS event_time,
    origin.topic AS topic,
    origin.partition AS partition,
    origin.offset AS "offset",
    CASE WHEN reason.code <> 'plaintext_secret' THEN format('quarantine/{:04d}/{:016d}.json', shard, "index") END AS quarantine
FROM _log
WHERE outcome = 'rejected';

-- What operators did to the ledger's surroundings.
CREATE VIEW _noted AS
SELECT *, CASE WHEN data_sha256 IS NULL THEN event.data ELSE blob_data(data_sha256) END AS note
FROM _log
WHERE outcome = 'noted';

CREATE VIEW notes AS
SELECT
    shard,
    "index",
    account,
    subject,
    note.action AS action,
    note.detail AS detail,
    effective_at,
    recorded_at,
    data.actor.pseudonym AS actor,
    person(account, data.actor.pseudonym, data.actor.sealed) AS author,
    data.interface AS interface,
    event.source AS source,
    event.id AS event_id
FROM _noted;

-- ---------------------------------------------------------------------------------------------------------------- changes

-- One row per entry and script it touched: the script itself, and the scripts that lost a route or domain to it.
CREATE VIEW _touched AS
SELECT shard, "index", account, script, lost_to, effective_at, recorded_at, outcome, data, deployment, version, version_sha256, changes, triggers
FROM _resolved('_rows')
WHERE outcome IN ('deployed', 'uploaded', 'changed', 'unchanged', 'deleted');

-- Those of them that decide the state of scripts at the time looked at, and more.
CREATE VIEW _near AS
SELECT shard, "index", account, script, lost_to, effective_at, recorded_at, outcome, data, deployment, version, version_sha256, changes, triggers
FROM _resolved('_near_rows')
WHERE outcome IN ('deployed', 'uploaded', 'changed', 'unchanged', 'deleted');

-- The same at the end of the log.
CREATE VIEW _last AS
SELECT shard, "index", account, script, lost_to, effective_at, recorded_at, outcome, data, deployment, version, version_sha256, changes, triggers
FROM _resolved('_last_rows')
WHERE outcome IN ('deployed', 'uploaded', 'changed', 'unchanged', 'deleted');

CREATE VIEW changes AS
SELECT
    shard,
    "index",
    account,
    script,
    change[1] AS aspect,
    change[2] AS name,
    change[3] AS op,
    effective_at,
    recorded_at,
    data.actor.pseudonym AS actor,
    person(account, data.actor.pseudonym, data.actor.sealed) AS author,
    data.interface AS interface,
    lost_to
FROM (SELECT * EXCLUDE (changes), unnest(changes) AS change FROM _touched);

-- --------------------------------------------------------------------------------------------------- versions and content

CREATE MACRO _versions_in(relation) AS TABLE
SELECT
    shard,
    "index",
    account,
    subject AS script,
    version.id AS version,
    version.number AS number,
    version_sha256 AS sha256,
    manifest,
    effective_at,
    recorded_at,
    data.actor.pseudonym AS actor,
    person(account, data.actor.pseudonym, data.actor.sealed) AS author,
    data.interface AS interface,
    data.message AS message,
    data.tag AS tag,
    outcome = 'deployed' AS deployed
FROM query_table(relation)
WHERE version IS NOT NULL;

CREATE VIEW _versions AS SELECT * EXCLUDE (manifest) FROM _versions_in('_log');

CREATE VIEW versions AS
SELECT * REPLACE (CASE WHEN manifest IS NULL THEN blob_text(sha256)::JSON ELSE manifest END AS manifest)
FROM _versions_in('_whole');

CREATE VIEW bindings AS
SELECT account, script, version, number, pair.key AS name, pair.value ->> 'type' AS type, pair.value AS value
FROM (
    SELECT account, script, version, number, unnest(map_entries(_members(manifest -> 'bindings'))) AS pair FROM versions
);

CREATE VIEW vars AS
SELECT account, script, version, number, pair.key AS name, pair.value ->> 'text' AS text, pair.value -> 'json' AS json
FROM (
    SELECT account, script, version, number, unnest(map_entries(_members(manifest -> 'config' -> 'vars'))) AS pair
    FROM versions
);

CREATE VIEW secrets AS
SELECT
    account,
    script,
    version,
    number,
    pair.key AS name,
    coalesce(pair.value ->> 'type', 'secret_text') AS type,
    pair.value ->> 'mac' AS mac,
    pair.value AS value
FROM (
    SELECT account, script, version, number, unnest(map_entries(_members(manifest -> 'config' -> 'secrets'))) AS pair
    FROM versions
);

CREATE VIEW modules AS
SELECT
    account,
    script,
    version,
    number,
    pair.key AS name,
    pair.value ->> 'type' AS type,
    (pair.value ->> 'size')::BIGINT AS size,
    pair.value ->> 'sha256' AS sha256,
    pair.key IS NOT DISTINCT FROM main AS main
FROM (
    SELECT
        account, script, version, number,
        manifest -> 'code' ->> 'main' AS main,
        unnest(map_entries(_members(manifest -> 'code' -> 'modules'))) AS pair
    FROM versions
);

-- ------------------------------------------------------------------------------------------------------------ deployments

-- What decides which deployment of a script is active: its deployments and deletions, each until the next.
CREATE VIEW _steps AS
SELECT *, lead(effective_at) OVER (PARTITION BY account, script ORDER BY "index") AS until,
    lead("index") OVER (PARTITION BY account, script ORDER BY "index") IS NULL AS last
FROM (
    SELECT shard, "index", account, subject AS script, effective_at, recorded_at, outcome, data, deployment, version
    FROM _log
    WHERE deployment IS NOT NULL OR outcome = 'deleted'
);

CREATE VIEW deployments AS
SELECT
    shard,
    "index",
    account,
    script,
    deployment.id AS deployment,
    deployment.number AS number,
    deployment.versions AS versions,
    deployment.rollback AS rollback,
    deployment.rollback_of AS rollback_of,
    last AS active,
    effective_at,
    recorded_at,
    data.actor.pseudonym AS actor,
    person(account, data.actor.pseudonym, data.actor.sealed) AS author,
    data.interface AS interface,
    data.message AS message,
    data.tag AS tag
FROM _steps
WHERE deployment IS NOT NULL;

CREATE VIEW activations AS
SELECT
    shard,
    "index",
    account,
    script,
    deployment.id AS deployment,
    pair.key AS version,
    pair.value AS percentage,
    effective_at AS "from",
    until AS "to"
FROM (SELECT *, unnest(map_entries(deployment.versions)) AS pair FROM _steps WHERE deployment IS NOT NULL);

-- --------------------------------------------------------------------------------------------------------------- triggers

-- How long each name of the triggers had each of its values.
CREATE VIEW _trigger_intervals AS
SELECT * EXCLUDE (op)
FROM (
    SELECT
        shard,
        "index",
        account,
        script,
        change[1] AS aspect,
        change[2] AS name,
        change[3] AS op,
        CASE change[1]
            WHEN 'routes' THEN triggers.routes[change[2]]
            WHEN 'domains' THEN triggers.domains[change[2]]
            WHEN 'crons' THEN triggers.crons[change[2]]
            WHEN 'queues' THEN triggers.queues[change[2]]
        END AS value,
        effective_at AS "from",
        lead(effective_at) OVER (PARTITION BY account, script, change[1], change[2] ORDER BY "index") AS "to"
    FROM (SELECT * EXCLUDE (changes), unnest(changes) AS change FROM _touched)
    WHERE change[1] IN ('routes', 'domains', 'crons', 'queues')
)
WHERE op <> 'removed';

CREATE VIEW routes AS
SELECT shard, "index", account, script, name AS pattern, value ->> 'zone' AS zone, value ->> 'zone_id' AS zone_id, value,
    "from", "to"
FROM _trigger_intervals
WHERE aspect = 'routes';

CREATE VIEW domains AS
SELECT shard, "index", account, script, name AS host, value ->> 'zone' AS zone, value ->> 'zone_id' AS zone_id, value,
    "from", "to"
FROM _trigger_intervals
WHERE aspect = 'domains';

CREATE VIEW crons AS
SELECT shard, "index", account, script, name AS expression, value, "from", "to"
FROM _trigger_intervals
WHERE aspect = 'crons';

CREATE VIEW queues AS
SELECT shard, "index", account, script, name AS queue, value ->> 'type' AS type, value, "from", "to"
FROM _trigger_intervals
WHERE aspect = 'queues';

-- ---------------------------------------------------------------------------------------------------------------- scripts

-- Every script as it was at an effective time. Versions and deployments are counted by their numbers, which go on from 1.
CREATE MACRO _states(relation, moment) AS TABLE
SELECT
    account,
    script,
    CASE
        WHEN step.deployment IS NOT NULL THEN 'active'
        WHEN uploaded > coalesce(step."index", -1) THEN 'uploaded'
        WHEN step IS NOT NULL THEN 'deleted'
        ELSE 'waiting'
    END AS state,
    step.deployment.id AS deployment,
    step.deployment.number AS number,
    step.deployment.versions AS versions,
    step.effective_at AS since,
    step.data.actor.pseudonym AS actor,
    person(account, step.data.actor.pseudonym, step.data.actor.sealed) AS author,
    step.data.interface AS interface,
    step.data.message AS message,
    step.data.tag AS tag,
    list_sort(coalesce(map_keys(triggers.routes), [])) AS routes,
    list_sort(coalesce(map_keys(triggers.domains), [])) AS domains,
    list_sort(coalesce(map_keys(triggers.crons), [])) AS crons,
    list_sort(coalesce(map_keys(triggers.queues), [])) AS queues,
    coalesce(triggers.subdomain['enabled'] = 'true', false) AS subdomain,
    coalesce(triggers.settings, MAP {}) AS settings,
    version_count,
    deployment_count,
    first_at,
    changed_at
FROM (
    SELECT
        account,
        script,
        arg_max({'index': "index", 'effective_at': effective_at, 'data': data, 'deployment': deployment}, "index")
            FILTER (lost_to IS NULL AND (deployment IS NOT NULL OR outcome = 'deleted')) AS step,
        max("index") FILTER (lost_to IS NULL AND outcome = 'uploaded') AS uploaded,
        arg_max(triggers, "index") FILTER (triggers IS NOT NULL) AS triggers,
        coalesce(max(version.number), 0) AS version_count,
        coalesce(max(deployment.number), 0) AS deployment_count,
        min(effective_at) AS first_at,
        max(effective_at) AS changed_at
    FROM query_table(relation)
    WHERE effective_at <= moment AND outcome <> 'unchanged'
    GROUP BY account, script
);

-- FROM scripts_at('2022-11-28 10:00Z')
CREATE MACRO scripts_at(moment) AS TABLE FROM _states('_touched', moment);

CREATE VIEW scripts AS FROM _states('_last', 'infinity'::TIMESTAMPTZ);

