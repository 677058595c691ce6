-- Divide the tables of a migrated database into hash partitions by user, with everything in them:
--
--     psql "$DATABASE_URL" --single-transaction --set ON_ERROR_STOP=1 \
--         --file deploy/partitions/partition.sql
--
-- as the owner of the tables. PGOPTIONS='-c taskapi.partitions=64' makes as many instead of 32. Nobody
-- reads or writes the tables meanwhile. Everything that belongs to a table is made anew under its
-- name: keys, indexes, checks, triggers, policies, row security and rights on whole tables. What other
-- programs have made is dropped: views of these tables, foreign keys to them, rights on single columns.
--
-- Then, unless the service sends its statements whole through a pooler, for its role:
--
--     ALTER ROLE taskapi_service IN DATABASE taskapi SET plan_cache_mode = force_generic_plan
--
-- Otherwise PostgreSQL plans every statement anew, which takes it 1.7 to 3.4 times the CPU of one table
-- (docs/scale.md).
DO $$
DECLARE
    partitions int := coalesce(nullif(current_setting('taskapi.partitions', true), ''), '32');
    own text;
    old text;
    key text;
    step text;
    again text[];
    functions text[];
    identity_at bigint;
BEGIN
    -- Functions with a row of tasks as a parameter belong to the old table.
    SELECT array_agg(pg_get_functiondef(f.oid)) INTO functions
    FROM pg_proc AS f JOIN pg_class AS t ON t.reltype = ANY (f.proargtypes)
    WHERE t.oid = 'tasks'::regclass;

    FOREACH own IN ARRAY ARRAY['user_clocks', 'tasks', 'task_keys', 'tombstones', 'kept_answers'] LOOP
        old := own || '_before';
        SELECT pg_get_constraintdef(oid) INTO STRICT key FROM pg_constraint
        WHERE conrelid = own::regclass AND contype = 'p';
        IF own = 'tasks' THEN
            key := 'PRIMARY KEY (user_id, id)';
        END IF;

        -- What LIKE does not copy, in the order in which to make it after the rows.
        SELECT array_agg(definition ORDER BY place) INTO again FROM (
            SELECT 1 AS place, format(
                'ALTER TABLE %I ADD CONSTRAINT %I %s', own, conname,
                CASE contype WHEN 'p' THEN key ELSE pg_get_constraintdef(oid) END
            ) AS definition
            FROM pg_constraint WHERE conrelid = own::regclass AND contype IN ('p', 'f')
            UNION ALL
            SELECT 2, pg_get_indexdef(indexrelid) FROM pg_index
            WHERE indrelid = own::regclass AND NOT indisprimary
            UNION ALL
            -- A plan for all partitions leaves out those without the user before the statement has
            -- declared its owner. So it must not do that by the policy, which would leave out all of
            -- them; and by this comparison it does not.
            SELECT 3, replace(format(
                'CREATE POLICY %I ON %I USING (%s) WITH CHECK (%s)', polname, own,
                pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)
            ), '(user_id = (', '(user_id IS NOT DISTINCT FROM (')
            FROM pg_policy WHERE polrelid = own::regclass
            UNION ALL
            SELECT 4, format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', own)
            FROM pg_class WHERE oid = own::regclass AND relrowsecurity
            UNION ALL
            SELECT 5, format(
                'GRANT %s ON %I TO %s', privilege_type, own,
                CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END
            )
            FROM pg_class, aclexplode(relacl)
            WHERE oid = own::regclass AND grantee <> relowner
            UNION ALL
            SELECT 6, pg_get_triggerdef(oid) FROM pg_trigger
            WHERE tgrelid = own::regclass AND NOT tgisinternal
        ) AS definitions;

        EXECUTE format('ALTER TABLE %I RENAME TO %I', own, old);
        EXECUTE format(
            'CREATE TABLE %I (LIKE %I INCLUDING ALL EXCLUDING INDEXES EXCLUDING STATISTICS) '
            'PARTITION BY HASH (user_id)', own, old
        );
        FOR part IN 0 .. partitions - 1 LOOP
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF %I FOR VALUES WITH (MODULUS %s, REMAINDER %s)',
                own || '_' || part, own, partitions, part
            );
        END LOOP;
        EXECUTE format('INSERT INTO %I OVERRIDING SYSTEM VALUE SELECT * FROM %I', own, old);
        IF own = 'tasks' THEN
            SELECT nextval(pg_get_serial_sequence(old, 'id')) INTO identity_at;
            PERFORM setval(pg_get_serial_sequence(own, 'id'), identity_at, false);
        END IF;
        EXECUTE format('DROP TABLE %I CASCADE', old);
        IF own = 'tasks' THEN
            FOREACH step IN ARRAY functions LOOP
                EXECUTE step;
            END LOOP;
        END IF;
        FOREACH step IN ARRAY again LOOP
            EXECUTE step;
        END LOOP;
        -- The service knows a key that is taken by its name, with the partition's number behind it.
        FOR step IN
            SELECT format('ALTER INDEX %I RENAME TO %I', part.relname, whole.relname || '_' ||
                substring(divided.relname FROM '[0-9]+$'))
            FROM pg_index AS keys
            JOIN pg_class AS whole ON whole.oid = keys.indexrelid
            JOIN pg_inherits ON inhparent = keys.indexrelid
            JOIN pg_index AS parts ON parts.indexrelid = inhrelid
            JOIN pg_class AS part ON part.oid = parts.indexrelid
            JOIN pg_class AS divided ON divided.oid = parts.indrelid
            WHERE keys.indrelid = own::regclass
        LOOP
            EXECUTE step;
        END LOOP;
    END LOOP;
END $$;
