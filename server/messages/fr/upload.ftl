# Voir ../en/upload.ftl.

files = { $n ->
    [one] { $n } fichier
   *[other] { $n } fichiers
}
folders = { $n ->
    [one] { $n } dossier
   *[other] { $n } dossiers
}
size-bytes = { $n ->
    [one] { $n } octet
   *[other] { $n } octets
}
size-of = { $amount } { $unit ->
    [kB] ko
    [MB] Mo
    [GB] Go
   *[TB] To
}
left-moment = moins d’une minute
left-minutes = { $n ->
    [one] environ { $n } minute
   *[other] environ { $n } minutes
}
left-hours = { $n ->
    [one] environ { $n } heure
   *[other] environ { $n } heures
}
left-hours-and = { $n ->
    [one] environ { $n } heure { $minutes }
   *[other] environ { $n } heures { $minutes }
}
left-days = { $n ->
    [one] plus de { $n } jour
   *[other] plus de { $n } jours
}

order = Commande { $number }
order-of = Commande { $number } · { $client }
heading = Vos fichiers pour le studio
heading-title = Vos fichiers pour « { $title } »
files-heading = Fichiers
add-summary = Quelque chose à ajouter ou à corriger ?
add-text = Choisissez-le ici, puis remettez de nouveau. Un fichier du même nom, dans le même dossier, remplace celui qui avait été envoyé.
program-summary = Envoyer plutôt avec un programme
program-goes-on = Le programme { $program } reprend lui aussi là où il s’était arrêté :
program-tus = Tout autre programme qui parle tus 1.0 prend l’adresse de cette page comme point d’accès.
program-care = Quiconque connaît cette adresse peut y envoyer des fichiers : ne la transmettez qu’avec prudence.
other-tab = Cet envoi est ouvert dans un autre onglet ou une autre fenêtre de ce navigateur. Continuez là-bas, ou fermez-le pour continuer ici.
trying-again = { $why } Nouvel essai en cours.

back = Heureux de vous revoir. { $n ->
    [one] Il manque encore { $n } fichier.
   *[other] Il manque encore { $n } fichiers.
} Votre navigateur demande une fois si cette page peut relire { $from }.
back-go = Reprendre avec { $from }
missing = { $n ->
    [one] Il manque encore { $n } fichier.
   *[other] Il manque encore { $n } fichiers.
}
missing-choose = Choisissez ou déposez de nouveau { $from } : l’envoi reprend là où il en était.
from-folder = le dossier « { $name } »
from-same = les mêmes fichiers
named = « { $name } »
drop = Déposez ici le dossier de votre session
drop-hint = Avec tous ses sous-dossiers, tel qu’il est sur votre disque. Les grandes sessions ne posent pas de problème.
add-folder = Ajouter un dossier
choose-folder = Choisir un dossier
add-files = Ajouter des fichiers
choose-files = Choisir des fichiers
drop-anywhere = ou déposez-les n’importe où sur cette page
reading = Lecture du dossier …
unread = { $n ->
    [one] Ceci n’a pas pu être lu
   *[other] Ceux-ci n’ont pas pu être lus
} sur votre ordinateur : { $names }. Vérifiez qu’aucun autre programme ne les garde ouverts, puis choisissez-les de nouveau.
unread-more = { $names } et { $more } autres

arrived = { $here } sur { $all } · { $bytes } sur { $of } arrivés
arrived-checked = { $arrived } · { $checked } contrôlés
arrived-checked-all = { $arrived } · tous contrôlés
percent = { $n } %
go-on = Reprendre
pause = Pause
arrived-label = Arrivé au studio
arrived-of = Arrivé de { $path }
nothing-lost = Si vous fermez cette page ou votre ordinateur, rien n’est perdu : ce qui est arrivé reste, et le même lien reprend là où il en était.
not-checked-yet = { $n ->
    [one] { $n } fichier n’est pas encore contrôlé
   *[other] { $n } fichiers ne sont pas encore contrôlés
} : { $why }. Nouvel essai automatique.
now-else = Tout le reste est arrivé. { $n ->
    [one] { $n } fichier attend votre décision
   *[other] { $n } fichiers attendent votre décision
}, plus bas.
now-returned = Déjà remis. Ajoutez ce qui est corrigé, ou laissez de côté ce qui n’en fait pas partie.
now-submit = Tout est arrivé. Remettez maintenant, plus bas.
now-arrived = Tout est arrivé.
now-due = Tout est arrivé. Il reste { $n ->
    [one] { $n } fichier
   *[other] { $n } fichiers
} à comparer avec votre ordinateur …
now-paused = En pause.
now-again = { $why } Nouvel essai dans { $n ->
    [one] { $n } seconde
   *[other] { $n } secondes
}.
now-goes-on = { $why } L’envoi reprendra tout seul.
now-looking = Les contrôles du studio examinent { $n ->
    [one] { $n } fichier
   *[other] { $n } fichiers
} …
now-leaving = { $n ->
    [one] { $n } fichier est retiré
   *[other] { $n } fichiers sont retirés
} …
now-waiting = En attente des fichiers nommés plus haut.
now-uploading = Envoi en cours …
now-left = Encore { $left }
now-speed = Encore { $left } · { $speed } par seconde

refused-heading = { $n ->
    [one] { $n } fichier vous serait renvoyé
   *[other] { $n } fichiers vous seraient renvoyés
}
refused-hint = Les contrôles du studio ont examiné le début de chaque fichier. Ceux-ci ne sont pas envoyés avant votre décision : corrigez-les et ajoutez-les de nouveau, envoyez-les tels quels, ou laissez-les de côté.
send-anyway = Envoyer quand même
leave-it-out = Le laisser de côté
failed-heading = Le studio ne prend pas { $n ->
    [one] { $n } fichier
   *[other] { $n } fichiers
}
try-again = Réessayer
lost-heading = { $n ->
    [one] { $n } fichier ne peut plus être lu
   *[other] { $n } fichiers ne peuvent plus être lus
}
lost-hint = Quand le programme qui les écrit a terminé, choisissez-les de nouveau. Un fichier qui a changé repart du début, pour que rien n’arrive à moitié ancien et à moitié nouveau.
would-come-back = Le studio renverrait ceci.
worth-a-look = À vérifier.
warned = À vérifier : { $n ->
    [one] { $n } fichier
   *[other] { $n } fichiers
}. L’envoi se fait quand même
noted = Modifié ou à savoir : { $n ->
    [one] { $n } fichier
   *[other] { $n } fichiers
}
out = Laissé de côté par vous : { $n ->
    [one] { $n } fichier
   *[other] { $n } fichiers
}
send-after-all = L’envoyer finalement
junk = Laissé de côté : { $n ->
    [one] { $n } fichier que votre ordinateur a créé pour lui-même
   *[other] { $n } fichiers que votre ordinateur a créés pour lui-même
}
all-files = Tous les fichiers : { $n }
take-back = Retirer
leave-out = Laisser de côté
show-more = Afficher plus, sur { $n }
part-arrived = { $n } % arrivés, { $then }
is-submitted = Remis
is-arrived = Arrivé
is-looked-at = Les contrôles du studio l’examinent
is-paused = en pause
is-trying = nouvel essai
is-waiting = attend son tour
is-absent = choisissez-le de nouveau pour continuer
is-refused = Vous serait renvoyé : voir plus haut
is-failed = Non pris : voir plus haut
is-leaving = Retrait en cours …
is-left = Laissé de côté
checked-same = { $stands }, contrôlé : c’est bien le fichier de votre ordinateur
checked-due = { $stands }, à comparer avec le fichier de votre ordinateur
checked-unable = { $stands }, non contrôlé : le fichier n’a pas pu être relu

note-left-out = Laissé de côté par vous.
note-replaces = Il remplace celui qui avait été envoyé.
note-changed = Il a changé depuis le début de l’envoi, il repart donc du début.
note-no-part = ne fait pas partie d’une session, il reste chez vous
note-there = Il a été laissé de côté ici, et le studio l’a pourtant : dites-le au studio.
note-changed-while = Il a été modifié sur cet ordinateur pendant l’envoi, il est donc envoyé de nouveau.
note-keeps-changing = Il change sans cesse sur cet ordinateur pendant l’envoi. Quand le programme qui l’écrit a terminé, appuyez sur « Réessayer ».
note-lost = Il a été modifié, déplacé ou renommé sur cet ordinateur : choisissez-le de nouveau.

form-heading = À propos de la musique
form-hint = Remplissez pendant l’envoi des fichiers. Tout est enregistré au fil de la saisie.
form-changed = Pas encore enregistré …
form-kept = Enregistré.
form-needed = nécessaire
form-empty = Le studio en a besoin avant que vous puissiez remettre.
form-bad = Le studio ne peut pas le prendre ainsi.

submit-heading = Remettre
submit-text = Le studio commence quand vous remettez. Jusque-là, personne n’y voit que vous avez fini, même si tous les fichiers sont arrivés.
submit-unchecked = { $n ->
    [one] { $n } fichier arrivé n’a pas été comparé
   *[other] { $n } fichiers arrivés n’ont pas été comparés
} avec votre ordinateur. Pour en être sûr, choisissez de nouveau les mêmes fichiers ou leur dossier, plus haut : ils sont comparés, et renvoyés seulement s’ils diffèrent. Vous pouvez remettre sans cela.
not-submitted = Pas encore remis.
still-missing = Il manque encore :
submit = Remettre au studio
submitting = Remise en cours …
comparing = Comparaison de { $n ->
    [one] { $n } fichier
   *[other] { $n } fichiers
} avec votre ordinateur, puis remise …
submit-hurry = Remettre sans comparer le reste
missing-change = un changement : ajoutez un fichier corrigé ou nouveau, ou laissez-en un de côté. Rien n’a changé depuis votre dernière remise
missing-files = vos fichiers : choisissez-les plus haut
missing-coming = { $n ->
    [one] { $n } fichier encore en route : attendez qu’il soit arrivé
   *[other] { $n } fichiers encore en route : attendez que tout soit arrivé
}
missing-absent = { $n ->
    [one] { $n } fichier à choisir de nouveau, plus haut
   *[other] { $n } fichiers à choisir de nouveau, plus haut
}
missing-decide = votre décision sur { $n ->
    [one] { $n } fichier qui serait renvoyé, plus haut
   *[other] { $n } fichiers qui seraient renvoyés, plus haut
}
submit-without = Remettre sans { $n ->
    [one] ce fichier
   *[other] ces { $n } fichiers
}

done-accepted = Le studio a accepté vos fichiers
done-submitted = C’est remis. Merci !
done-what = { $n ->
    [one] { $n } fichier
   *[other] { $n } fichiers
}, { $bytes }, le { $day }.
done-nothing-left = Vous n’avez plus rien à faire.
done-looks = Le studio les regarde maintenant. S’il faut corriger quelque chose, vous le trouverez ici, sous le même lien.
done-left-out = Laissé de côté par vous :
done-late = { $n ->
    [one] { $n } fichier est arrivé trop tard :
   *[other] { $n } fichiers sont arrivés trop tard :
}
done-late-text = ce que vous avez ajouté depuis n’a pas été remis. Demandez un nouveau lien au studio, et ajoutez-le là.
done-checks = Ce que disent les contrôles : { $n ->
    [one] { $n } remarque
   *[other] { $n } remarques
}
done-receipt = Ouvrir le reçu, à imprimer ou à conserver
done-hashes = Les fichiers et leurs empreintes
done-hash-hint = L’empreinte est ce que { $program } affiche : elle prouve que ce qui est arrivé est ce que vous avez.
done-checked = contrôlé
done-rest = Le reste est sur le reçu.
done-session = Session { $id }
compared-all = Chaque fichier a été comparé avec celui de votre ordinateur après son arrivée : ils sont identiques.
compared-none = Les fichiers n’ont pas été comparés avec ceux de votre ordinateur après leur arrivée.
compared-some = { $n ->
    [one] { $n } fichier a été comparé avec celui de votre ordinateur après son arrivée et il est identique
   *[other] { $n } fichiers ont été comparés avec ceux de votre ordinateur après leur arrivée et ils sont identiques
} ; { $rest ->
    [one] { $rest } fichier n’a pas été comparé.
   *[other] { $rest } fichiers n’ont pas été comparés.
}
returned-heading = Le studio vous demande une correction
returned-text = Ajoutez plus bas les fichiers corrigés, avec les mêmes noms dans les mêmes dossiers, ou laissez-y de côté ce qui n’en fait pas partie ; puis remettez de nouveau. Inutile de renvoyer les autres.

title-submitted = Remis · { $order }
title-waiting = En attente · { $order }
title-paused = En pause · { $order }
title-percent = { $n } % · { $order }
title-not-submitted = Pas encore remis · { $order }
heard-attention = { $n ->
    [one] { $n } fichier demande votre attention.
   *[other] { $n } fichiers demandent votre attention.
}
heard-absent = { $n ->
    [one] { $n } fichier est à choisir de nouveau.
   *[other] { $n } fichiers sont à choisir de nouveau.
}
heard-looking = Le studio examine vos fichiers.
heard-tenth = Envoi en cours, { $n } pour cent sont arrivés.
heard-arrived = Tout est arrivé. Ce n’est pas encore remis.
heard-submitted = Remis.

offline = cet ordinateur est hors ligne
closed = cette commande ne prend pas de fichiers pour l’instant
even-small = quelque chose entre cet ordinateur et le studio refuse même les petits envois : un autre réseau peut aider, ou demandez au studio
trouble-lost = la connexion avec le studio est interrompue
trouble-too-large = le fichier est trop grand pour ce studio
trouble-large-requests = quelque chose entre cet ordinateur et le studio refuse les grandes requêtes
trouble-track = le studio a perdu la trace de ce fichier
trouble-closed = le studio ne prend pas de fichiers pour cette commande
trouble-between = quelque chose entre cet ordinateur et le studio refuse la connexion
trouble-room = le studio n’a plus de place pour l’instant
trouble-wait = le studio demande d’attendre un moment
trouble-server = le serveur du studio n’est pas disponible pour l’instant
trouble-file = le studio ne prend pas ce fichier (réponse { $status })

finding = { $rule ->
    [unreadable_audio] aucun programme ne comprendra l’en-tête de ce fichier audio : exportez-le de nouveau
    [name_mismatch] le contenu n’est pas du format que le nom annonce
    [lossy_format] ce format a perdu du son : envoyez plutôt un WAV, un AIFF ou un FLAC
    [empty_file] ce fichier est vide
    [mixed_sample_rates] la session mélange plusieurs fréquences d’échantillonnage
    [mixed_bit_depths] la session mélange plusieurs résolutions
    [truncated] il manque une partie du son que l’en-tête annonce
    [odd_header] l’en-tête dit quelque chose d’inhabituel ; les programmes lisent tout de même le fichier
    [placeholder] ce fichier n’est qu’un renvoi vers un service en ligne : téléchargez-le d’abord sur votre ordinateur
    [names] ce nom ne passera pas bien sur d’autres ordinateurs
    [same_name] deux noms qui n’en font qu’un sur certains ordinateurs : renommez-en un
    [folder] un fichier et un dossier portent le même nom : renommez l’un des deux
    [limit] c’est plus que ce que le studio prend pour cette commande
    [junk] un fichier que votre ordinateur a créé pour lui-même
   *[other] les contrôles du studio ont une remarque
}
