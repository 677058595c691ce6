"""The OpenAPI document, what routes declare for it, and the page that shows it."""
