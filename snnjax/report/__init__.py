"""Reports from run folders: tables, ranks, tests and figures on one page."""
