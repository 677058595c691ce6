-- The schema's revision on every server, because a replica reads it where it is connected.
SELECT create_reference_table('taskapi_version');
