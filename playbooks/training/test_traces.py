# Copyright: (c) 2026, the mlops.mlflow contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traces: spans with inputs, outputs, errors and attributes, found and read back."""

from __future__ import annotations

import mlflow

from playbooks.training.support import TrainingTestCase, done

QUESTION = "Was heißt 'größer'? 🤔"


class Traces(TrainingTestCase):
    def test_trace_with_nested_spans(self) -> None:
        @mlflow.trace(span_type="RETRIEVER", attributes={"index": "docs"})
        def retrieve(question: str) -> list[str]:
            return [question.upper(), "x" * 100_000]

        @mlflow.trace(name="answer")
        def answer(question: str) -> dict:
            documents = retrieve(question)
            with mlflow.start_span(name="generate") as span:
                span.set_inputs({"documents": len(documents)})
                span.set_outputs({"tokens": 12})
            mlflow.update_current_trace(tags={"marker": self.experiment_name})
            return {"text": "bigger", "sources": len(documents)}

        answer(QUESTION)
        trace_id = mlflow.get_last_active_trace_id()
        mlflow.flush_trace_async_logging()

        trace = self.client().get_trace(trace_id)
        self.assertEqual("OK", trace.info.state.value)
        spans = {span.name: span for span in trace.data.spans}
        self.assertEqual({"answer", "retrieve", "generate"}, set(spans))
        self.assertEqual({"question": QUESTION}, spans["answer"].inputs)
        self.assertEqual({"text": "bigger", "sources": 2}, spans["answer"].outputs)
        self.assertEqual([QUESTION.upper(), "x" * 100_000], spans["retrieve"].outputs)
        self.assertEqual("docs", spans["retrieve"].attributes["index"])
        self.assertEqual({"tokens": 12}, spans["generate"].outputs)
        for child in ("retrieve", "generate"):
            self.assertEqual(spans["answer"].span_id, spans[child].parent_id)

        found = self.client().search_traces(
            locations=[self.experiment_id], filter_string=f"tags.marker = '{self.experiment_name}'"
        )
        self.assertEqual([trace_id], [each.info.trace_id for each in found])
        self.client().delete_traces(self.experiment_id, trace_ids=[trace_id])
        left = self.client().search_traces(locations=[self.experiment_id], include_spans=False)
        self.assertNotIn(trace_id, [each.info.trace_id for each in left])
        done["traces"] += 1

    def test_trace_of_an_error(self) -> None:
        @mlflow.trace
        def fail() -> None:
            raise ValueError("on purpose")

        with self.assertRaisesRegex(ValueError, "on purpose"):
            fail()
        trace_id = mlflow.get_last_active_trace_id()
        mlflow.flush_trace_async_logging()
        trace = self.client().get_trace(trace_id)
        self.assertEqual("ERROR", trace.info.state.value)
        self.assertIn("on purpose", str(trace.data.spans[0].events[0].attributes))
        self.client().delete_traces(self.experiment_id, trace_ids=[trace_id])
        done["traces"] += 1
