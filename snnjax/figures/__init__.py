"""Figures from run folders: what diagnostics and metrics show, drawn without a display."""
