"""The soak: people use a fleet for as long as asked, while everything under it is broken."""
