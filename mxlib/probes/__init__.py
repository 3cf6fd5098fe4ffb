"""Test mails, sessions and logins from outside, and what their answers say."""
