-- The primary key of tasks begins with the user, as every other table's does. Citus needs the user in
-- it, in any place; a database that was migrated before revision 006 has it nowhere.
ALTER TABLE tasks DROP CONSTRAINT tasks_pkey, ADD CONSTRAINT tasks_pkey PRIMARY KEY (user_id, id);
