"""The migrations, inside the package, so that they travel with the wheel."""
