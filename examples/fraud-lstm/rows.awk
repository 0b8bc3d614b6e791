# 400 made-up rows of 40 cards, in no order of time; a row is fraud where its amount is more than
# that of the card's row before it by half.
BEGIN {
    print "when,card,amount,place,fraud"
    s = 7
    for (i = 0; i < 400; i++) {
        s = (s * 1103 + 12345) % 65536; card = s % 40
        s = (s * 1103 + 12345) % 65536; amount = 50 + s % 150
        s = (s * 1103 + 12345) % 65536; place = substr("abc", 1 + s % 3, 1)
        day = 1 + int(i / 20); minute = i % 20 * 60 + i % 7
        rows[i] = sprintf("2024-03-%02d %02d:%02d:00,c%d,%d,%s,%s", day, int(minute / 60), minute % 60,
                          card, amount, place, (card in last) && amount > 1.5 * last[card] ? "yes" : "no")
        last[card] = amount
    }
    for (i = 0; i < 400; i++) print rows[(i * 37) % 400]
}
