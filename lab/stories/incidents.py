"""The incidents that can be replayed, and their replay."""

from lab.lifecycle import Say, Stations
from lab.shell import LabError
from lab.stories import incident_2018_06_06, incident_2021_12_03, incident_2022_02_22, incident_2022_05_09
from lab.stories.story import Stage, Story, side_by_side

# A story is one module with a STORY in it.
_MODULES = (incident_2018_06_06, incident_2021_12_03, incident_2022_02_22, incident_2022_05_09)
STORIES: dict[str, Story] = {module.STORY.name: module.STORY for module in _MODULES}


def find(name: str) -> Story:
    """Return the story of a name.

    Raises:
        LabError: there is none.
    """
    if name not in STORIES:
        raise LabError(f"unknown incident {name!r}: expected one of {', '.join(STORIES)}")
    return STORIES[name]


def replay(place: Stations, story: Story, say: Say) -> int:
    """Replay an incident in a lab that is up, and print its timeline beside the original's.

    Returns:
        0 if everything was as the story promises, 1 otherwise.
    """
    stage = Stage(place, say)
    try:
        story.replay(stage)
    except LabError as error:
        stage.must(False, f"the replay reaches its end ({str(error).splitlines()[0]})")
    print(f"\n{side_by_side(story, stage.notes)}\n", flush=True)
    wrong = [note.what for note in stage.notes if not note.good]
    say(f"incident {story.name}: " + (f"NOT as expected: {'; '.join(wrong)}" if wrong else "as expected"))
    return 1 if wrong else 0
