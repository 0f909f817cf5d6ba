"""What people and programs ask for, whole: one function for each, by subject.

An operation takes the store, then the actor, then what is asked for, and returns what became of it. It opens the firm,
does its steps in transactions of its own, begins anew where that is due, and lets go of what was held back. What it
changes it changes in one function, ``work``, that has the open transaction: whatever is recorded of the change goes in
there. Web and command line know nothing else of a change. The steps, in the folder above, know no store.

opening.py    how a firm is opened, to read or to change; letting_go.py    what a change may let through
firms.py removal.py keys.py campaigns.py statuses.py    an operator's configuration
cases.py changes.py forgetting.py imports.py exports.py    cases: one, many, gone for good, in and out of files
do_not_call.py rules.py    what keeps calls off
retention.py figures.py refused.py sample.py    what goes, what is counted, the demo's firm
doctor.py known.py backups.py    the database itself
upkeep.py sweeping.py counting.py duty.py lists.py    what a server does by itself: these take no actor
"""
