# What the server's own pages say to a client: receipts, downloads, links that open nothing, and the upload
# page where its script does not run. The upload page's own words: upload.ftl.

## Sizes, in powers of ten as disks are sold.
size-bytes = { $amount } bytes
size-kilobytes = { $amount } kB
size-megabytes = { $amount } MB
size-gigabytes = { $amount } GB

## The upload link.
link-title = Upload for order { $number }
link-loading = The upload page is on its way. If it does not come, { $other }.
link-loading-other = there are other ways to upload
link-not-built = Files cannot be chosen on this page, because this server was built without its upload page. They can be uploaded all the same: see below.
link-accepted = The studio has accepted your files. This link takes nothing any more; if something has to be added, ask the studio for a new one.
link-receipt = The receipt
link-receipt-for = { $receipt }, to print or keep.
link-received = Received so far
link-nothing = Nothing yet.
link-here = { $here } of { $all } files are here, { $size } in all.
link-open = Not complete; upload them again and they go on where they stopped:
link-part = { $path }: { $here }
link-part-of = { $path }: { $here } of { $all }
link-not-submitted = Nothing is submitted yet: when all files are here, submit them, or the studio will not see that you are done.
link-submitted = Submitted
link-session = { $files ->
    [one] 1 file
   *[other] { $files } files
} on { $day }. { $state ->
    [accepted] The studio accepted them: nothing is left to do.
    [returned] They came back, because of this:
   *[submitted] The studio has not looked at them yet.
}
link-returned = Upload the mended files under the same names, then submit again. The others need not be sent again.
link-how = How to upload
link-program = With the program { $program }, which goes on where it stopped:
link-tus = Or with any program that speaks tus 1.0, or the IETF's draft of resumable uploads: give it the address of this page as its endpoint.
link-care = Whoever knows the address can upload here: pass it on with care.

## The receipt.
receipt-title = Receipt for order { $number }
receipt-print = Print or save this page. Its address works as long as the studio keeps the order, unless it takes the upload link back.
receipt-received = Received
receipt-files = { $files ->
    [one] 1 file
   *[other] { $files } files
}, { $size } ({ $bytes } bytes)
receipt-submitted = Submitted
receipt-state = State
receipt-state-is = { $state ->
    [accepted] accepted by the studio
    [returned] returned: some of it has to be sent again
   *[submitted] submitted; the studio has not looked at it yet
}
receipt-session = Session
receipt-incomplete = Submitted by the studio, incomplete
receipt-left-out = Left out by the sender
receipt-returned = Why it came back
receipt-findings = What the checks found
receipt-finding = { $severity ->
    [refuse] To be mended: { $message }
   *[warn] Please look: { $message }
}
receipt-list = Files
receipt-compared = { $compared ->
    [none] What arrived was not compared with the files on the sender's computer afterwards.
    [all] Checked: after the files had arrived, the sender's computer read every one of them again and compared it. What is here is what was there.
   *[some] Checked, { $some } of { $all }: after these files had arrived, the sender's computer read them again and compared them. What is here is what was there.
}
receipt-file = File
receipt-bytes = Bytes
receipt-hash = BLAKE3, as { $program } prints it
receipt-checked = Checked
receipt-checked-is = { $checked ->
    [yes] yes
   *[no] no
}

## The form, as the studio asks for it.
form-label = { $field ->
    [song] Song
    [artist] Artist
    [notes] Notes for the engineer
    [credits] Credits
    [isrc] ISRC
    [tempo] Tempo
   *[key] Key
}
form-hint = { $field ->
    [song] The title as it is to be released.
    [artist] The name as it is to be released.
    [notes] What the mix should be like, references, what to leave alone, what is odd about these files.
    [credits] Who wrote, played, recorded and produced it, one person a line.
    [isrc] Twelve characters, as in DE-A12-26-00001. Leave it empty if there is none yet.
    [tempo] Beats per minute, as in 120 or 97.5. Say in the notes if it changes.
   *[key] As in A minor or F#.
}

## Downloads.
session-title = Order { $number }: { $kind ->
    [material] material
    [delivery] delivery
   *[stems] stems
}
session-files = { $files ->
    [one] 1 file
   *[other] { $files } files
}, { $size } in all, sealed on { $day }.
session-resume = A download that breaks off goes on where it stopped. { $program } with the address of this page gets all files and compares them with their hashes.

## What cannot be done. In English the server's own sentence stands in it.
error-title = { $kind ->
    [missing] Nothing here
    [gone] No longer here
    [often] Too often
    [server] Something went wrong
   *[other] This cannot be done
}
error-refused = { $said }
error-damaged = What is stored here is damaged, and nothing wrong was sent. Please tell the studio: trying again does not help before it is mended.
error-server = The server cannot do this at the moment. Nothing that was received is lost. Please try again in a minute.
