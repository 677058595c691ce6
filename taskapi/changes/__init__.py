"""What has changed: a feed in pages, by waiting, or as events."""
