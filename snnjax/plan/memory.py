"""How many bytes populations take on a device, and of a checkpoint."""

from dataclasses import dataclass

from snnjax.plan.groups import Group, Population
from snnjax.plan.networks import network_of
from snnjax.plan.work import optimizer_slots


@dataclass(frozen=True)
class Memory:
    """Bytes of a population.

    Attributes:
        params: Its networks.
        optimizer: What the optimizer keeps beside them.
        best: Networks of the best epochs.
        computed: Gradients and activations of those in lockstep, roughly.
        data: The data sets it shares.
    """

    params: int
    optimizer: int
    best: int
    computed: int
    data: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.params + self.optimizer + self.best + self.computed + self.data


def memory_of(population: Population, lanes: int = 1) -> Memory:
    """Count the memory of a population of which so many members are computed in lockstep."""
    group, size = population.group, population.size
    program = group.kind.program
    network = network_of(program, group.whole)
    item = 8 if program.training.precision == "float64" else 4
    member = (network.parameters + network.moving) * item
    slots = optimizer_slots(program.optimizer)
    batch = min(program.training.batch_size, group.problem.train_rows[-1])
    computed = network.parameters + 2 * batch * network.units
    return Memory(
        params=size * member,
        optimizer=round(size * network.parameters * slots * item),
        best=size * member,
        computed=min(lanes, size) * computed * item,
        data=group.table_bytes,
    )


def state_bytes(group: Group) -> int:
    """Return what is kept of one member of a group: its networks and its optimizer."""
    one = memory_of(Population(group, group.entries[:1], 1))
    return one.params + one.optimizer + one.best
