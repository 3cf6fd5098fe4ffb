"""Samples of Exim's spool: ids and header files."""

DEFERRED = "1xUaVm-00006q-0u"
PARTLY = "1xUaVm-00006w-1y"
FROZEN_BOUNCE = "1xUaXv-000092-2A"
YOUNG = "zzzzzz-000000006e1-2bAz"

DONE = "NY u1@ok.test\nNN bcc@else.test"
HEADER = """{id}-H
root 0 0
<{sender}>
1763690850 0
-received_time_usec .084912
-ident root
{options}-local
{tree}
{number}
{recipients}

146P Received: from root by mail.lab.test with local (Exim 4.96)
012F From: someone@nowhere.test
"""


def header(message_id, recipients, sender="alice@lab.test", options="", tree="XX"):
    return HEADER.format(
        id=message_id,
        sender=sender,
        options=options,
        tree=tree,
        number=len(recipients),
        recipients="\n".join(recipients),
    )
