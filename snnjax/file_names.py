"""What lies in a run folder and in the folder of a sweep, by name."""

CONFIG_FILE = "config.json"
METRICS_FILE = "metrics.jsonl"
RESULT_FILE = "result.json"
SURFACE_FILE = "surface.npz"
ERROR_FILE = "error.json"
CHECKPOINTS_FOLDER = "checkpoints"
DIAGNOSTICS_FILE = "diagnostics.npz"

RUNS_FILE = "runs.jsonl"
TABLE_FILE = "runs.parquet"
SWEEP_FILE = "sweep.json"

HYDRA_FOLDER = ".hydra"
COMPOSED_FILE = f"{HYDRA_FOLDER}/config.yaml"
OVERRIDES_FILE = f"{HYDRA_FOLDER}/overrides.yaml"
