from engine.store.results import StoredRun


def render(run: StoredRun) -> str:
    return ""
