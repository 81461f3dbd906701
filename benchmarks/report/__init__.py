"""Results: tables, comparison, plots, the machine they were taken on."""
