"""Who takes part in a soak: clients that behave, clients that do not, and whoever changes the repository."""
