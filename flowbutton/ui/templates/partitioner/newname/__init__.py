"""A partitioner for flowbutton, and a stage that reads its pieces."""
