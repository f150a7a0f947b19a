from trimtab.domain.evaluation import CURRENT, Evaluation, evaluation


def test_ordinary_traffic_is_in_no_evaluation() -> None:
    assert evaluation() is None


def test_what_runs_in_one_knows_its_headers_and_shows_no_key() -> None:
    token = CURRENT.set(Evaluation(url="http://g", key="tt_secret", place="ev_1/q/candidate/0"))
    try:
        current = evaluation()
    finally:
        CURRENT.reset(token)

    assert current is not None
    assert current.headers == {"x-trimtab-eval": "ev_1/q/candidate/0"}
    assert "tt_secret" not in repr(current)
