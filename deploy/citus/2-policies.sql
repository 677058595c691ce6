-- No triggers and no row security: Citus distributes no table with triggers, and no policy with a
-- subquery. Nor could a policy know the owner: a statement declares them by set_config, which Citus
-- evaluates on the server that plans the statement, and applies policies on that with the rows, where
-- every write would find nothing. So the policies go, and `taskapi grant` enables nothing without them.
--
-- What is lost: PostgreSQL itself no longer withholds rows of others from a statement that lacks its
-- condition on the owner. And SQL of other programs no longer moves its user's clock, so the changes feed
-- does not have what it has changed: only the service may write to these tables.
DO $$
DECLARE
    each record;
BEGIN
    FOR each IN
        SELECT polname, polrelid::regclass AS own FROM pg_policy WHERE polname LIKE 'taskapi\_%'
    LOOP
        EXECUTE format('DROP POLICY %I ON %s', each.polname, each.own);
        EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', each.own);
    END LOOP;
    FOR each IN
        SELECT tgname FROM pg_trigger WHERE tgrelid = 'tasks'::regclass AND NOT tgisinternal
    LOOP
        EXECUTE format('DROP TRIGGER %I ON tasks', each.tgname);
    END LOOP;
END $$;
