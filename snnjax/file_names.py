"""What lies in a run folder, by name."""

CONFIG_FILE = "config.json"
METRICS_FILE = "metrics.jsonl"
RESULT_FILE = "result.json"
ERROR_FILE = "error.json"

HYDRA_FOLDER = ".hydra"
COMPOSED_FILE = f"{HYDRA_FOLDER}/config.yaml"
OVERRIDES_FILE = f"{HYDRA_FOLDER}/overrides.yaml"
