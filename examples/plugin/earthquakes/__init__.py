"""A flowbutton plug-in: JSON lines as a source, and the law of magnitudes of an earthquake catalogue."""
