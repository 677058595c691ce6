"""The OpenAPI document and the page that shows it.

`responses` is what routes declare with, and `error_bodies` what errors look like. `document` makes
the document of it: `corrections` makes what FastAPI writes exact and good for generators, and
`components` names equal parts once. `docs_page` serves both.
"""
