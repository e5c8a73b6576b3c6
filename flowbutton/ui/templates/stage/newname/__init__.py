"""Stages for flowbutton."""
