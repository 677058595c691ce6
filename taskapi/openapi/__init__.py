"""The OpenAPI document and the page that shows it.

`responses` is what routes declare with, `document` makes the document of it, `components` names
equal parts of it once, and `docs_page` serves both.
"""
