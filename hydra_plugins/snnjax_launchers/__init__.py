"""The launchers of snnjax; Hydra finds them in the namespace hydra_plugins only."""
