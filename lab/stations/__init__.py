"""The lab's stations: namespaces, the Ganeti node, management hosts, services."""
