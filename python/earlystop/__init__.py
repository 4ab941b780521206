"""Tells the earlystop sidecar how training goes, and whether to stop.

    from earlystop import Trial

    with Trial(params={"learning_rate": 0.01}, objective=("val_rmse", "min"), total_steps=5000) as trial:
        for step in range(1, 5001):
            loss = train()
            trial.step(step, train_loss=loss)
            if trial.stop_requested:
                trial.ack(need=30)  # seconds for the checkpoint
                save()
                break

No call raises because of the daemon, and none waits for it but should_stop(), which reports and hears at once what the
rules make of it, as should_prune() of Optuna does: without a daemon, every call does nothing.
"""

from ._trial import Objective, Refusal, Stop, Trial, Welcome

__all__ = ["Objective", "Refusal", "Stop", "Trial", "Welcome"]
__version__ = "0.1.0"
