"""Mail exchangers: reboot them, take them out of service and give them back, without losing a mail."""

__owner_team__ = "Infrastructure Foundations"
