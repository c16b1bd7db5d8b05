# What the upload page says. Sentences that the studio's server says stand in them as it says them, in English.

## Numbers and times.
files = { $n ->
    [one] 1 file
   *[other] { $n } files
}
folders = { $n ->
    [one] 1 folder
   *[other] { $n } folders
}
size-bytes = { $n ->
    [one] 1 byte
   *[other] { $n } bytes
}
size-of = { $amount } { $unit ->
    [kB] kB
    [MB] MB
    [GB] GB
   *[TB] TB
}
left-moment = less than a minute
left-minutes = { $n ->
    [one] about 1 minute
   *[other] about { $n } minutes
}
left-hours = { $n ->
    [one] about 1 hour
   *[other] about { $n } hours
}
left-hours-and = { $n ->
    [one] about 1 hour { $minutes } minutes
   *[other] about { $n } hours { $minutes } minutes
}
left-days = { $n ->
    [one] more than 1 day
   *[other] more than { $n } days
}

## Top.
order = Order { $number }
order-of = Order { $number } · { $client }
heading = Your files for the studio
heading-title = Your files for “{ $title }”
files-heading = Files
add-summary = Something to add or to mend?
add-text = Choose it here, then submit again. A file with the same name and folder replaces the one that was sent before.
program-summary = Upload with a program instead
program-goes-on = The program { $program } goes on where it stopped, too:
program-tus = Any other program that speaks tus 1.0 takes the address of this page as its endpoint.
program-care = Whoever knows the address can upload here: pass it on with care.
other-tab = This upload is open in another tab or window of this browser. Go on there, or close it and go on here.
trying-again = { $why } Trying again.

## Choosing files.
back = Welcome back. { $n ->
    [one] 1 file is
   *[other] { $n } files are
} still to come. Your browser asks once whether this page may read { $from } again.
back-go = Go on with { $from }
missing = { $n ->
    [one] 1 file is
   *[other] { $n } files are
} still to come.
missing-choose = Choose or drop { $from } again: the upload goes on from there.
from-folder = the folder “{ $name }”
from-same = the same files
named = “{ $name }”
drop = Drop your session folder here
drop-hint = With all its sub-folders, as it lies on your disk. Large sessions are fine.
add-folder = Add a folder
choose-folder = Choose a folder
add-files = Add files
choose-files = Choose files
drop-anywhere = or drop them anywhere on this page
reading = Reading the folder …
unread = { $n ->
    [one] This could not be read
   *[other] These could not be read
} on your computer: { $names }. Check that nothing else holds them open, then choose them again.
unread-more = { $names } and { $more } more

## Progress.
arrived = { $here } of { $all } · { $bytes } of { $of } arrived
arrived-checked = { $arrived } · { $checked } checked
arrived-checked-all = { $arrived } · all checked
percent = { $n } %
go-on = Go on
pause = Pause
arrived-label = Arrived at the studio
arrived-of = Arrived of { $path }
nothing-lost = If you close this page or your laptop, nothing is lost: what has arrived stays, and the same link goes on from there.
not-checked-yet = { $n ->
    [one] 1 file is
   *[other] { $n } files are
} not checked yet: { $why }. Trying again by itself.
now-else = Everything else has arrived. { $n ->
    [one] 1 file waits
   *[other] { $n } files wait
} for you, below.
now-returned = Submitted before. Add what is mended, or leave out what does not belong.
now-submit = Everything has arrived. Now submit, below.
now-arrived = Everything has arrived.
now-due = Everything has arrived. { $n ->
    [one] 1 file is
   *[other] { $n } files are
} still to be compared with your computer …
now-paused = Paused.
now-again = { $why } Trying again in { $n ->
    [one] 1 second
   *[other] { $n } seconds
}.
now-goes-on = { $why } It goes on by itself.
now-looking = The studio's checks look at { $n ->
    [one] 1 file
   *[other] { $n } files
} …
now-leaving = { $n ->
    [one] 1 file
   *[other] { $n } files
} being taken back …
now-waiting = Waiting for the files named above.
now-uploading = Uploading …
now-left = { $left } left
now-speed = { $left } left · { $speed } a second

## Lists.
refused-heading = { $n ->
    [one] 1 file
   *[other] { $n } files
} would come back to you
refused-hint = The studio's checks have looked at the beginning of every file. These are not uploaded until you decide: mend them and add them again, send them as they are, or leave them out.
send-anyway = Send anyway
leave-it-out = Leave it out
failed-heading = The studio does not take { $n ->
    [one] 1 file
   *[other] { $n } files
}
try-again = Try again
lost-heading = { $n ->
    [one] 1 file
   *[other] { $n } files
} cannot be read any more
lost-hint = When the program that writes them is done, choose them again. One that has changed starts again, so that nothing arrives that is half the old and half the new one.
would-come-back = The studio would send this back.
worth-a-look = Worth a look.
warned = Worth a look: { $n ->
    [one] 1 file
   *[other] { $n } files
}. They are uploaded all the same
noted = Changed or to be known: { $n ->
    [one] 1 file
   *[other] { $n } files
}
out = Left out by you: { $n ->
    [one] 1 file
   *[other] { $n } files
}
send-after-all = Send it after all
junk = Left out: { $n ->
    [one] 1 file
   *[other] { $n } files
} that your computer made for itself
all-files = All files: { $n }
take-back = Take back
leave-out = Leave out
show-more = Show more of { $n }
part-arrived = { $n } % arrived, { $then }
is-submitted = Submitted
is-arrived = Arrived
is-looked-at = The studio's checks look at it
is-paused = paused
is-trying = trying again
is-waiting = waiting for its turn
is-absent = choose it again to go on
is-refused = Would come back to you: see above
is-failed = Not taken: see above
is-leaving = Being taken back …
is-left = Left out
checked-same = { $stands }, checked: it is the file on your computer
checked-due = { $stands }, to be compared with the file on your computer
checked-unable = { $stands }, not checked: the file could not be read again

## What became of a file.
note-left-out = Left out by you.
note-replaces = It replaces the one that was sent before.
note-changed = It has changed since it was begun, so it starts again.
note-no-part = not part of a session, it stays with you
note-there = It was left out here, and the studio has it all the same: tell the studio.
note-changed-while = It was changed on this computer while it was sent, so it is sent again.
note-keeps-changing = It keeps changing on this computer while it is sent. When the program that writes it is done, press “Try again”.
note-lost = It was changed, moved or renamed on this computer: choose it again.

## The form.
form-heading = About the music
form-hint = Fill it in while the files upload. It is saved as you write.
form-changed = Not saved yet …
form-kept = Saved.
form-needed = needed
form-empty = The studio needs this before you can submit.
form-bad = The studio cannot take it like this.

## Submit.
submit-heading = Submit
submit-text = The studio starts when you submit. Until then nobody there sees that you are done, even if every file has arrived.
submit-unchecked = { $n ->
    [one] 1 file that has arrived was
   *[other] { $n } files that have arrived were
} not compared with your computer. To be sure, choose the same files or their folder again, above: they are compared, and sent again only if they differ. You can submit without.
not-submitted = Not submitted yet.
still-missing = Still missing:
submit = Submit to the studio
submitting = Submitting …
comparing = Comparing { $n ->
    [one] 1 file
   *[other] { $n } files
} with your computer, then submitting …
submit-hurry = Submit without comparing the rest
missing-change = a change: add a mended or a new file, or leave one out. Nothing has changed since you last submitted
missing-files = your files: choose them above
missing-coming = { $n ->
    [one] 1 file
   *[other] { $n } files
} still on the way: wait until everything has arrived
missing-absent = { $n ->
    [one] 1 file
   *[other] { $n } files
} to be chosen again, above
missing-decide = your decision on { $n ->
    [one] 1 file
   *[other] { $n } files
} that would come back, above
submit-without = Submit without { $n ->
    [one] this file
   *[other] these { $n } files
}

## The receipt.
done-accepted = The studio has accepted your files
done-submitted = Submitted. Thank you!
done-what = { $n ->
    [one] 1 file
   *[other] { $n } files
}, { $bytes }, on { $day }.
done-nothing-left = Nothing is left to do.
done-looks = The studio looks at them now. If something has to be mended, you find it here, under the same link.
done-left-out = Left out by you:
done-late = { $n ->
    [one] 1 file
   *[other] { $n } files
} came too late:
done-late-text = what you added since then was not submitted. Ask the studio for a new link, and add it there.
done-checks = What the checks say: { $n ->
    [one] 1 remark
   *[other] { $n } remarks
}
done-receipt = Open the receipt to print or keep
done-hashes = The files and their hashes
done-hash-hint = The hash is what { $program } prints: it proves that what arrived is what you have.
done-checked = checked
done-rest = The rest is on the receipt.
done-session = Session { $id }
compared-all = Every file was compared with the one on your computer after it had arrived: they are the same.
compared-none = The files were not compared with those on your computer after they had arrived.
compared-some = { $n ->
    [one] 1 file was compared with the one on your computer after arriving and is the same
   *[other] { $n } files were compared with the one on your computer after arriving and are the same
}; { $rest ->
    [one] 1 file was
   *[other] { $rest } files were
} not compared.
returned-heading = The studio needs something mended
returned-text = Add the mended files below, with the same names in the same folders, or leave out there what does not belong; then submit again. The others need not be sent again.

## The tab's title, and what is read aloud.
title-submitted = Submitted · { $order }
title-waiting = Waiting · { $order }
title-paused = Paused · { $order }
title-percent = { $n } % · { $order }
title-not-submitted = Not submitted yet · { $order }
heard-attention = { $n ->
    [one] 1 file needs
   *[other] { $n } files need
} your attention.
heard-absent = { $n ->
    [one] 1 file has
   *[other] { $n } files have
} to be chosen again.
heard-looking = The studio looks at your files.
heard-tenth = Uploading, { $n } percent has arrived.
heard-arrived = Everything has arrived. It is not submitted yet.
heard-submitted = Submitted.

## Why nothing moves.
offline = this computer is offline
closed = this order takes no files at the moment
even-small = something between this computer and the studio refuses even small uploads: another network may help, or ask the studio
trouble-lost = the connection to the studio is interrupted
trouble-too-large = the file is too large for this studio
trouble-large-requests = something between this computer and the studio refuses large requests
trouble-track = the studio has lost track of this file
trouble-closed = the studio takes no files for this order
trouble-between = something between this computer and the studio refuses the connection
trouble-room = the studio has no room at the moment
trouble-wait = the studio asks to wait a moment
trouble-server = the studio's server is not available at the moment
trouble-file = the studio does not take this file (answer { $status })

## What a check found; in English the studio's own sentence says it.
finding = { $said }
