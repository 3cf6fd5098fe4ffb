"""The protocols made real: the only folder that knows cumin, etcd, conftool, Alertmanager, Ganeti, a console."""
