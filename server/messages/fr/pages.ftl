# Voir ../en/pages.ftl.

size-bytes = { $amount } octets
size-kilobytes = { $amount } ko
size-megabytes = { $amount } Mo
size-gigabytes = { $amount } Go

link-title = Envoi pour la commande { $number }
link-loading = La page d’envoi arrive. Si elle ne vient pas, { $other }.
link-loading-other = il y a d’autres façons d’envoyer vos fichiers
link-not-built = On ne peut pas choisir de fichiers sur cette page : ce serveur a été construit sans sa page d’envoi. Vous pouvez tout de même les envoyer : voir plus bas.
link-accepted = Le studio a accepté vos fichiers. Ce lien ne prend plus rien ; s’il faut ajouter quelque chose, demandez un nouveau lien au studio.
link-receipt = Le reçu
link-receipt-for = { $receipt }, à imprimer ou à conserver.
link-received = Reçu jusqu’ici
link-nothing = Rien pour l’instant.
link-here = { $all ->
    [one] { $here } fichier sur { $all } est arrivé, { $size } en tout.
   *[other] { $here } fichiers sur { $all } sont arrivés, { $size } en tout.
}
link-open = Incomplets ; envoyez-les de nouveau, l’envoi reprend là où il s’était arrêté :
link-part = { $path } : { $here }
link-part-of = { $path } : { $here } sur { $all }
link-not-submitted = Rien n’est encore remis : quand tous les fichiers sont arrivés, remettez-les au studio, sinon il ne verra pas que vous avez fini.
link-submitted = Remis
link-session = { $files ->
    [one] { $files } fichier
   *[other] { $files } fichiers
} le { $day }. { $state ->
    [accepted] Le studio les a acceptés : vous n’avez plus rien à faire.
    [returned] Ils vous reviennent, voici pourquoi :
   *[submitted] Le studio ne les a pas encore regardés.
}
link-returned = Envoyez les fichiers corrigés sous les mêmes noms, puis remettez de nouveau. Inutile de renvoyer les autres.
link-how = Comment envoyer
link-program = Avec le programme { $program }, qui reprend là où il s’était arrêté :
link-tus = Ou avec tout programme qui parle tus 1.0, ou le projet de l’IETF pour les envois à reprise : donnez-lui l’adresse de cette page comme point d’accès.
link-care = Quiconque connaît cette adresse peut y envoyer des fichiers : ne la transmettez qu’avec prudence.

receipt-title = Reçu de la commande { $number }
receipt-print = Imprimez ou enregistrez cette page. Son adresse reste valable tant que le studio garde la commande, sauf s’il reprend le lien d’envoi.
receipt-received = Reçu
receipt-files = { $files ->
    [one] { $files } fichier
   *[other] { $files } fichiers
}, { $size } ({ $bytes } octets)
receipt-submitted = Remis
receipt-state = État
receipt-state-is = { $state ->
    [accepted] accepté par le studio
    [returned] renvoyé : une partie est à envoyer de nouveau
   *[submitted] remis ; le studio ne l’a pas encore regardé
}
receipt-session = Session
receipt-incomplete = Remis par le studio, incomplet
receipt-left-out = Laissé de côté par l’expéditeur
receipt-returned = Pourquoi le studio l’a renvoyée
receipt-findings = Ce que les contrôles ont trouvé
receipt-finding = { $severity ->
    [refuse] À corriger : { $message }
   *[warn] À vérifier : { $message }
}
receipt-list = Fichiers
receipt-compared = { $compared ->
    [none] Ce qui est arrivé n’a pas été comparé ensuite avec les fichiers de l’ordinateur de l’expéditeur.
    [all] Contrôlé : une fois les fichiers arrivés, l’ordinateur de l’expéditeur les a tous relus et comparés. Ce qui est ici est ce qui était là-bas.
   *[some] Contrôlé, { $some } sur { $all } : une fois ces fichiers arrivés, l’ordinateur de l’expéditeur les a relus et comparés. Ce qui est ici est ce qui était là-bas.
}
receipt-file = Fichier
receipt-bytes = Octets
receipt-hash = BLAKE3, comme { $program } l’affiche
receipt-checked = Contrôlé
receipt-checked-is = { $checked ->
    [yes] oui
   *[no] non
}

form-label = { $field ->
    [song] Titre
    [artist] Artiste
    [notes] Notes pour l’ingénieur du son
    [credits] Crédits
    [isrc] ISRC
    [tempo] Tempo
   *[key] Tonalité
}
form-hint = { $field ->
    [song] Le titre tel qu’il doit paraître.
    [artist] Le nom tel qu’il doit paraître.
    [notes] À quoi le mix doit ressembler, des références, ce à quoi il ne faut pas toucher, les particularités de ces fichiers.
    [credits] Qui a écrit, joué, enregistré et produit : une personne par ligne.
    [isrc] Douze caractères, par exemple DE-A12-26-00001. Laissez vide s’il n’y en a pas encore.
    [tempo] En battements par minute, par exemple 120 ou 97.5. S’il change, dites-le dans les notes.
   *[key] Par exemple la mineur ou fa dièse.
}

session-title = Commande { $number } : { $kind ->
    [material] matériel
    [delivery] livraison
   *[stems] pistes
}
session-files = { $files ->
    [one] { $files } fichier
   *[other] { $files } fichiers
}, { $size } en tout. Session scellée le { $day }.
session-resume = Un téléchargement interrompu reprend là où il s’était arrêté. { $program } avec l’adresse de cette page récupère tous les fichiers et les compare avec leurs empreintes.

error-title = { $kind ->
    [missing] Il n’y a rien ici
    [gone] Ce n’est plus ici
    [often] Trop souvent
    [server] Quelque chose n’a pas marché
   *[other] Ce n’est pas possible
}
error-refused = { $kind ->
    [missing] Il n’y a rien sous cette adresse, ou plus rien. Si c’est un lien du studio, demandez-en un nouveau au studio.
    [gone] Ce que vous cherchez n’est plus disponible ici : demandez au studio de vous le rendre accessible.
    [often] Trop de demandes en peu de temps : attendez un moment, puis réessayez.
    [server] Le serveur ne peut pas le faire pour l’instant. Rien de ce qui a été reçu n’est perdu. Réessayez dans une minute.
   *[other] Ce n’est pas possible dans l’état actuel de la commande : demandez au studio.
}
error-damaged = Ce qui est conservé ici est endommagé, et rien de faux n’a été envoyé. Prévenez le studio : inutile de réessayer avant la réparation.
error-server = Le serveur ne peut pas le faire pour l’instant. Rien de ce qui a été reçu n’est perdu. Réessayez dans une minute.
