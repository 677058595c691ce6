"""What every resource of a user has: an owner, versions, writes that are done once, and pages.

A resource is declared once (`definition.Resource`). From that follow its statements, its store and
what its routes read and respond with; `taskapi.tasks` adds only what is a task's own.
"""
