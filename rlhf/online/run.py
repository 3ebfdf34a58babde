# SPDX-License-Identifier: Apache-2.0
"""An online run: it works as long as people label, and publishes the policy on the way and at its end."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import Any, cast

from transformers import TrainerControl, TrainerState, TrainingArguments
from transformers.trainer_utils import SchedulerType

from data.records import Policy, Run
from data.run_context import Cancelled, RunContext, RunResult
from data.settings import as_dict
from data.store import Store
from labeling.texts.pages import bad_input
from reward.base.frozen_base import Base
from reward.base.lora_targets import lora_of
from reward.base.machine import library_versions, peak_mb
from reward.base.placement import placement_on
from rlhf.models.policy_loading import adapter_folder, check_template_set, template_options
from rlhf.models.start_policy import choose_start
from rlhf.online.asking import Asking
from rlhf.online.figures import LiveFigures, measure, read_answers
from rlhf.online.labels import LabelStream
from rlhf.online.learner import Learner
from rlhf.online.questions import QuestionQueue
from rlhf.online.reward import publish_reward
from rlhf.online.settings import OnlineSettings
from rlhf.online.trainer import OnlineTrainer
from rlhf.ppo.checkpoint import last_checkpoint
from rlhf.ppo.config import PPOConfig
from rlhf.ppo.prompt_rows import PromptRow, as_rows, encode_prompts, fitting_rows, training_rows
from rlhf.ppo.roles import POLICY
from rlhf.ppo.run import make_config, rows_in_memory
from rlhf.ppo.run_record import RunRecorder
from rlhf.sampling.pairing import find_project_id
from rlhf.sampling.rollout_sampler import IN_PROCESS, Sampler
from rlhf.sampling.served.opening import open_sampler, sampler_report

WARMUP = 8
"""Optimizer steps of linear warmup. Then the learning rate is constant: nobody knows how many labels will come."""


def run(context: RunContext, settings: OnlineSettings) -> RunResult:
    """Learn until the labels that were asked for are there, and add the policy to the store.

    Raises BadInput for settings that do not fit. Raises Cancelled after the policy was published. A resumed run
    continues from its last update.
    """
    with open_sampler(context, settings) as sampler:
        return OnlineRun.load(context, settings, sampler).work()


@dataclass
class OnlineRun:
    """The parts of one run, and the policies that it has published."""

    context: RunContext
    settings: OnlineSettings
    parent: Policy
    trainer: OnlineTrainer
    labels: LabelStream
    skipped: Counter[str]
    started: float = field(default_factory=time.monotonic)
    published_at: tuple[int, int] = (0, 0)
    """Updates and labels of the last published policy."""

    @classmethod
    def load(cls, context: RunContext, settings: OnlineSettings, sampler: Sampler = IN_PROCESS) -> OnlineRun:
        """Load the policy, its base and the prompts, and connect the trainer with the store's queue."""
        store, ppo = context.store, settings.ppo()
        parent = choose_start(store, settings.from_)
        device = make_config(ppo, context.checkpoints()).device
        options = template_options(parent, settings).keywords()
        base = Base.load(parent.base, placement=placement_on(device, settings), **options)
        check_template_set(base, settings)
        skipped: Counter[str] = Counter()
        rows, test_rows = _prompt_rows(store, settings, base, skipped)
        longest = max(len(base.encode_prompt(row["prompt"])) for row in rows + test_rows) + settings.max_new_tokens
        args = make_config(ppo, context.checkpoints(), rows_in_memory(ppo, base, longest))
        args.lr_scheduler_type, args.warmup_steps = SchedulerType.CONSTANT_WITH_WARMUP, WARMUP
        learner = Learner(base, settings.members, settings.seed)
        recorder = OnlineRecorder(context)
        trainer = OnlineTrainer(
            base,
            learner,
            args,
            train_dataset=rows,
            start=adapter_folder(store, parent) if parent.adapter else None,
            peft_config=None if parent.adapter else lora_of(base.causal, settings),
            callbacks=[recorder],
        )
        sampler.expect(longest)
        trainer.collector.sampler = sampler
        queue = QuestionQueue(
            store,
            store.runs.lineage(context.run)[0].id,
            find_project_id(store, settings.project),
            parent,
            {"temperature": args.temperature, "max_new_tokens": settings.max_new_tokens},
            settings.seed,
            settings.random_share if settings.ranking else 0.0,
        )
        labels = LabelStream(context, settings, learner, queue)
        test_prompts = encode_prompts(base, test_rows, "the test prompts") if test_rows else []
        asking = Asking(settings, learner, trainer.collector, test_rows, test_prompts)
        trainer.connect(asking, labels, settings.updates_per_step)
        online = cls(context, settings, parent, trainer, labels, skipped)
        online.published_at = _published_last(store, context.run)
        recorder.trainer, recorder.online = trainer, online
        return online

    def work(self) -> RunResult:
        """Learn, publish, and return what was made."""
        checkpoint = last_checkpoint(self.context.checkpoints())
        try:
            self.trainer.train(resume_from_checkpoint=None if checkpoint is None else str(checkpoint))
        except Cancelled:
            self.publish(last=True)
            raise
        self.context.once(self.labels.queue.close)
        self.publish(last=True)
        self.context.once(lambda: shutil.rmtree(self.context.checkpoints()))
        report = self.report() | sampler_report(self.trainer.collector.sampler)
        report |= {"seconds": round(time.monotonic() - self.started, 1), "peak_mb": peak_mb()}
        return RunResult(self._published(), report | {"placement": self.trainer.base.placement.describe()})

    def publish(self, *, last: bool = False) -> None:
        """Add the policy of now to the store, unless it is the start or the one published last.

        With the `last` one comes the reward model. It takes longer and follows, so that a stopped run has its policy.
        """
        updates, labels = self.trainer.updates_done, self.labels.count
        if updates != self.published_at[0]:
            self.context.once(lambda: self._publish(updates, labels))
            self.published_at = updates, labels
        if last:
            self.context.once(self._publish_reward)

    def _publish(self, updates: int, labels: int) -> None:
        folder = self.context.folder / "policy"
        self.trainer.base.save_adapter(POLICY, folder)
        self.context.store.policies.publish(
            folder,
            name=f"online of {self.context.run.public}, {labels:,} labels",
            kind="online",
            base=self.parent.base,
            parent_id=self.parent.id,
            run_id=self.context.run.id,
            seed=self.settings.seed,
            config=as_dict(self.settings) | {"updates": updates, "labels_seen": labels},
            versions=library_versions()
            | {"fingerprint": self.trainer.base.fingerprint}
            | self.trainer.base.template_options.keywords(),
        )

    def _publish_reward(self) -> None:
        """Add the reward model to the store and to the run's newest policy, unless it has learned nothing since."""
        self.labels.read()
        store, learner = self.context.store, self.labels.learner
        runs = {run.id for run in store.runs.lineage(self.context.run)}
        before = [model.report["trained_on"] for model in store.reward_models.all() if model.run_id in runs]
        if learner.comparisons in before[-1:]:
            return
        reward = publish_reward(self.context, self.settings, learner, self.labels.training)
        policies = [policy.id for policy in store.policies.all() if policy.run_id in runs]
        if reward and policies:
            store.execute("UPDATE policies SET reward_model_id = ? WHERE id = ?", [reward.id, policies[-1]])

    def publish_if_due(self) -> None:
        """Publish when enough labels have come since the last time."""
        every = self.settings.publish_every
        if every and self.labels.count - self.published_at[1] >= every:
            self.publish()

    def figures(self) -> LiveFigures:
        """Measure the run by the labelers' answers."""
        return measure(read_answers(self.context.store, self.labels.queue.run_id, self.settings.labels))

    def report(self) -> dict[str, Any]:
        """Return the report: why the run ended, its labels and updates, KL, and what labelers said."""
        best = self.trainer.best
        assert best is not None, "train measures the start"
        figures = asdict(self.figures())
        ends = {"end": self.trainer.end_reason or "all updates are done", "updates": best.update, "kl": best.kl}
        learned = {"learned_from": self.labels.count, "held_out_loss": self.labels.learner.loss}
        skipped = {"skipped": dict(self.skipped)} if self.skipped else {}
        return ends | learned | {"live": figures} | skipped

    def _published(self) -> list[str]:
        store, run = self.context.store, self.context.run.id
        made = [*store.reward_models.all(), *store.policies.all()]
        return [model.public for model in made if model.run_id == run]


class OnlineRecorder(RunRecorder):
    """Records the curves of the updates, those of the labels beside them, and tops up the questions meanwhile."""

    online: OnlineRun

    def on_step_end(self, args: TrainingArguments, state: TrainerState, control: TrainerControl, **_: object) -> None:
        """Top up the questions, and publish after an update if it is time.

        A run is stopped before an update, when the checkpoint holds the very policy that is published.
        """
        self.context.once(self.online.labels.queue.top_up)
        if self.online.trainer.updates_done * cast(PPOConfig, args).steps_per_update == state.global_step:
            self.online.publish_if_due()

    def on_log(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        logs: dict[str, float] | None = None,
        **_: object,
    ) -> None:
        """Record an update's metrics with the number of labels and what they say of it."""
        labels, figures = self.online.labels, self.online.figures()
        shares = {"live_accuracy": figures.accuracy, "live_win_rate": figures.win_rate}
        live = {name: share.value for name, share in shares.items() if share.value is not None}
        about = {"labels": float(labels.count)}
        if labels.learner.loss is not None:
            about["held_out_loss"] = labels.learner.loss
        super().on_log(args, state, control, (logs or {}) | about | live)


def _published_last(store: Store, run: Run) -> tuple[int, int]:
    """Return updates and labels of the policy that the run, or the one it resumes, published last."""
    before = [policy for policy in store.policies.all() if policy.run_id == (run.resumes or run.id)]
    return (before[-1].config["updates"], before[-1].config["labels_seen"]) if before else (0, 0)


def _prompt_rows(
    store: Store, settings: OnlineSettings, base: Base, skipped: Counter[str]
) -> tuple[list[PromptRow], list[PromptRow]]:
    """Return the rows to train on, and the test prompts of the random arm, that fit the base."""
    rows = fitting_rows([base], training_rows(store, settings.prompts, settings.last_prompt), skipped)
    if not rows:
        raise bad_input("need.fitting_prompts", field="prompts", skipped=", ".join(skipped))
    test = store.prompts.all(split="test", last=settings.last_prompt, source=settings.prompts or None)
    return rows, fitting_rows([base], as_rows(test), skipped)
