"""Two operators' runs on the same MX at the same time: which of them goes on is drawn at each look and each effect."""

import threading


class Baton:
    """Threads of which one runs at a time, so that a seed tells a story to the letter.

    Attributes:
        passed: how often another one has gone on: whoever sees another number was not alone.
    """

    def __init__(self, chance, often=0.15):
        self.chance, self.often = chance, often
        self.passed, self.now = 0, 0
        self._gates, self._alive, self._errors = [], [], []
        self._done = threading.Semaphore(0)

    def run(self, *calls):
        """Call all of them side by side; the first error of any is raised once all have ended."""
        self._gates = [threading.Semaphore(0) for _ in calls]
        self._alive = list(range(len(calls)))
        threads = [threading.Thread(target=self._one, args=one, daemon=True) for one in enumerate(calls)]
        for thread in threads:
            thread.start()
        self.now = self.chance.choice(self._alive)
        self._gates[self.now].release()
        self._done.acquire()
        for thread in threads:
            thread.join()
        for error in self._errors:
            raise error

    def _one(self, number, call):
        self._gates[number].acquire()
        try:
            call()
        except BaseException as error:
            self._errors.append(error)
        self._alive.remove(number)
        if self._alive:
            self._pass_to(self.chance.choice(self._alive))
        else:
            self._done.release()

    def _pass_to(self, number):
        self.passed += 1
        self.now = number
        self._gates[number].release()

    def switch(self):
        """Let another one go on, perhaps; returns once it is this one's turn again."""
        others = [one for one in self._alive if one != self.now]
        if others and self.chance.random() < self.often:
            me = self.now
            self._pass_to(self.chance.choice(others))
            self._gates[me].acquire()
