"""What a person sees of a stage's log."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.stage_log import StageLog, whole_lines

# As torchrun 2.13 ends a job of two ranks that both found the input bad (shortened).
BAD_INPUT = """\
[0]:reading
[1]:error: a.toml: train.epoch: unknown key; did you mean 'epochs'?
[0]:error: a.toml: train.epoch: unknown key; did you mean 'epochs'?
E1121 00:38:52.000 8001 torch/distributed/elastic/multiprocessing/api.py:1022] failed (exitcode: 2)
Traceback (most recent call last):
  File "torchrun", line 8, in <module>
torch.distributed.elastic.multiprocessing.errors.ChildFailedError:
============================================================
pipeline.train FAILED
Root Cause (first observed failure):
[0]:
  exitcode  : 2 (pid: 8001)
============================================================
"""


def show_all(text: str, under_torchrun: bool = True) -> StageLog:
    log = StageLog(under_torchrun)
    for line in text.splitlines():
        log.show(line)
    return log


@given(st.text(alphabet="ab[\n", max_size=40), st.lists(st.integers(0, 40)))
def test_lines_are_the_same_wherever_the_log_is_cut(text: str, cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(text)]
    pieces = [text[a:b] for a, b in pairwise(edges)]
    expected = text.split("\n")
    assert list(whole_lines(pieces)) == (expected if expected[-1] else expected[:-1])


def test_rank_0_speaks_plainly_and_the_others_under_their_rank(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_all("[0]:epoch 1\n[0]:\n[1]:slow disk\ntorchrun: a warning\n")
    assert capsys.readouterr().out == "epoch 1\n\n[1] slow disk\n"


def test_a_stage_without_torchrun_is_shown_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    show_all("[1]: one\ntwo\n", under_torchrun=False)
    assert capsys.readouterr().out == "[1]: one\ntwo\n"


def test_bad_input_on_every_rank_is_one_line_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    log = show_all(BAD_INPUT)
    assert log.found_bad_input
    assert log.explanation() == []
    out, err = capsys.readouterr()
    assert out == "reading\n"
    assert err == "error: a.toml: train.epoch: unknown key; did you mean 'epochs'?\n"


def test_a_rank_that_died_without_a_word_is_explained_by_torchruns_summary() -> None:
    log = show_all(BAD_INPUT.replace("error: ", "note: "))
    assert not log.found_bad_input
    assert log.explanation() == BAD_INPUT.splitlines()[-6:]


def summary(rank: int, time: str) -> str:
    """torchrun's last words on a node whose rank died."""
    rule = "=" * 60
    return f"{rule}\nRoot Cause:\n  time      : {time}\n  rank      : {rank}\n{rule}\n"


def test_of_several_nodes_those_where_a_process_died_first_explain_a_failure() -> None:
    log = StageLog(under_torchrun=True)
    for node, rank, time in [(0, 0, "10:00:09"), (1, 1, "10:00:08"), (2, 2, "10:00:08")]:
        for line in f"Traceback\n{summary(rank, time)}".splitlines():
            log.show(line, node)
    first = summary(1, "10:00:08") + summary(2, "10:00:08")
    assert log.explanation() == first.splitlines()


def test_a_node_that_was_killed_leaves_the_word_to_the_others() -> None:
    log = StageLog(under_torchrun=True)
    log.show("W1121 a warning", 0)
    for line in summary(1, "10:00:08").splitlines():
        log.show(line, 1)
    assert log.explanation() == summary(1, "10:00:08").splitlines()


def test_a_job_that_was_requeued_speaks_on_and_its_last_end_counts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    log = show_all(f"{summary(1, '10:00:08')}[0]:epoch 2\n{summary(0, '10:05:00')}")
    assert capsys.readouterr().out == "epoch 2\n"
    assert log.explanation() == summary(0, "10:05:00").splitlines()


def test_a_store_that_ended_with_its_node_is_no_news(capsys: pytest.CaptureFixture[str]) -> None:
    show_all("[W1121 09:57:05.553755527 TCPStore.cpp:115] [c10d] recvVector failed")
    assert capsys.readouterr().out == ""


def test_what_torchrun_waits_for_is_shown_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    warning = "[W1121 01:10:40.406 socket.cpp:764] [c10d] The IPv6 network addresses of (a, 1)"
    show_all(warning)
    assert capsys.readouterr().out == warning + "\n"


def test_what_torchrun_could_not_start_is_explained_by_its_last_30_lines() -> None:
    log = show_all("".join(f"line {i}\n" for i in range(40)))
    assert log.explanation() == [f"line {i}" for i in range(10, 40)]


@pytest.mark.parametrize("under_torchrun", [True, False])
def test_a_silent_stage_needs_no_explanation(under_torchrun: bool) -> None:
    assert StageLog(under_torchrun).explanation() == []
