-- The users by their id, and every other table by its user, so that all rows of a user are together.
DO $$
DECLARE
    users regclass;
    name text;
BEGIN
    SELECT confrelid INTO STRICT users FROM pg_constraint
    WHERE conrelid = 'tasks'::regclass AND contype = 'f';
    PERFORM create_distributed_table(users, 'id');
    FOREACH name IN ARRAY ARRAY['user_clocks', 'tasks', 'task_keys', 'tombstones', 'kept_answers'] LOOP
        PERFORM create_distributed_table(name::regclass, 'user_id', colocate_with := users::text);
    END LOOP;
END $$;
