"""OpenCompass's DROP."""

from __future__ import annotations

import json
import shutil
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from ama.averaging.in_memory import Loaded
from ama.evaluation.measure import Measure, Measurement, Number
from ama.evaluation.measures.eval_data import OPENCOMPASS_DROP, check_eval_data, data_mark, stay_offline
from ama.evaluation.measures.opencompass.drop import BACKEND, measure_drop
from ama.evaluation.subject import Subject
from ama.settings.evaluation import ScoringSettings
from ama.settings.measures import OpenCompassSettings


@dataclass(frozen=True)
class DropMeasure(Measure):
    """OpenCompass's drop_gen.

    Attributes:
        what: what goes into the rows.
        how: settings.
        scoring: type of the weights; replies are saved beside the file of scores until a model is done.
    """

    what: Measurement
    how: OpenCompassSettings
    scoring: ScoringSettings

    metrics = ("accuracy",)

    def open(self, subject: Subject) -> Loaded:
        """Load the model."""
        return subject.load(self.scoring.dtype, chat=self.how.apply_chat_template)

    def run(self, subject: Subject, opened: Loaded) -> list[Number]:
        """Measure a model; its replies are there until `forget`."""
        return measure_drop(*opened, self.how, self._work(subject), fresh=self.scoring.rerun)

    def forget(self, subject: Subject) -> None:
        """Remove the replies of a model whose row has been written."""
        work = self._work(subject)
        shutil.rmtree(work)
        # Other measurements may have been cut short, whose replies are still wanted.
        with suppress(OSError):
            work.parent.rmdir()

    def _work(self, subject: Subject) -> Path:
        scores = self.scoring.scores
        key = json.dumps([subject.fingerprint, self.what.settings, self.how.batch_size], sort_keys=True)
        return scores.with_name(f".{scores.name}.drop") / sha256(key.encode()).hexdigest()[:16]


def drop_measures(settings: OpenCompassSettings, scoring: ScoringSettings) -> list[Measure]:
    """Return the one measure of DROP.

    Raises:
        UserError: data that are missing.
    """
    check_eval_data(settings.folder, OPENCOMPASS_DROP)
    stay_offline()
    of_rows = {
        "data": data_mark(settings.folder, OPENCOMPASS_DROP),
        "max_seq_len": settings.max_seq_len,
        "max_out_len": settings.max_out_len,
        "limit": settings.limit,
        "chat_template": settings.apply_chat_template,
        "dtype": scoring.dtype,
    }
    return [DropMeasure(Measurement("reading", OPENCOMPASS_DROP, BACKEND, of_rows), settings, scoring)]
