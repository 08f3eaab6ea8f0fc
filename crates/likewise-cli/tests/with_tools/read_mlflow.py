"""A run as MLflow's own client sees it, as JSON."""

import json
import sys

from mlflow.tracking import MlflowClient

server, run_id, *curves = sys.argv[1:]
client = MlflowClient(server)
run = client.get_run(run_id)
print(
    json.dumps(
        {
            "status": run.info.status,
            "name": run.info.run_name,
            "experiment": client.get_experiment(run.info.experiment_id).name,
            "runs": len(client.search_runs([run.info.experiment_id])),
            "params": run.data.params,
            "metrics": run.data.metrics,
            "tags": run.data.tags,
            "curves": {
                curve: sorted(
                    [point.step, point.value] for point in client.get_metric_history(run_id, curve)
                )
                for curve in curves
            },
        }
    )
)
