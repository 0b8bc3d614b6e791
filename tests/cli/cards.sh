# Read by scripts: cards.csv of the example's small size, 400 rows of 40 cards in no order of time.
LC_ALL=C awk -f "$SOURCE/examples/fraud-lstm/rows.awk" > cards.csv
features=amount=log,when=time,place=category
sequence=key=card,order=when,steps=4
