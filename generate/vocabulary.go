package generate

// The word lists. Those named raw are the inside of a JSON string, escapes
// included; all others need none.

var adjectives = []string{
	"amber", "ancient", "brave", "cobalt", "crimson", "frozen", "gentle", "golden",
	"lucky", "mellow", "noble", "plain", "quick", "rapid", "silent", "vivid",
}

var nouns = []string{
	"engine", "falcon", "fox", "garden", "harbor", "island", "lantern", "marble",
	"meadow", "pixel", "prism", "river", "rocket", "signal", "tiger", "window",
}

var screens = []string{
	"Cart", "Checkout", "Feed", "Help/FAQ", "Messages", "Onboarding", "Paywall",
	"Product Detail", "Profile", "Search", "Settings", "Über uns",
}

var actions = []string{
	"Added", "Closed", "Failed", "Opened", "Removed", "Shared", "Submitted", "Viewed",
}

var subjects = []string{
	"author", "battery", "button", "campaign", "cart", "category", "content", "coupon",
	"duration", "error", "experiment", "feature", "filter", "item", "list", "load",
	"method", "network", "page", "plan", "position", "price", "query", "referrer",
	"result", "screen", "search", "source", "variant", "video",
}

var aspects = []string{
	"count", "flag", "group", "id", "index", "label", "ms", "name",
	"size", "state", "total", "type", "url", "value", "version",
}

var channels = []string{"bing", "facebook", "google", "newsletter", "partner", "tiktok"}

var firstNames = []string{
	"anna", "björn", "chloé", "dmitri", "emily", "fatima", "george", "hiroshi",
	"jürgen", "łukasz", "maria", "noah", "paul", "sven", "søren", "zoë",
}

var lastNames = []string{
	"brown", "o'neil", "garcía", "johnson", "kowalski", "müller", "nguyen", "silva",
	"smith", "suzuki", "weiß", "yılmaz",
}

var mailHosts = []string{
	"example.com", "example.org", "mail.example.net", "corp.example.io", "straße.example.de",
}

var rawPhrases = []string{
	`Größe XL`, `Stra\u00dfenfest`, `caf\u00e9 au lait`, `Äpfel, Öl \u0026 Übermut`,
	`🚀 launch`, `\ud83d\ude00 smile`, `👩‍👩‍👧 family`, `東京タワー`, `\u6771\u4eac`, `上海 — 浦东`,
	`сегодня`, `مرحبا`, `naïve façade`, `say \"hello\"`, `C:\\Users\\public`,
	`first line\nsecond line`, `tab\there`, `a\/b\/c`, `50 % off <b>now<\/b>`, `null`, `  padded `,
	`line\u2028separator`, `zero\u200bwidth`, `e\u0301 decomposed`, `\b\f\r controls`,
}

var rawBigNumbers = []string{
	"9007199254740993", "3016898190042098126", "-9007199254740995", "18446744073709551615",
	"9223372036854775807", "123456789012345678901234567890", "1.0E10", "-0.0", "6.02214076e23",
	"0.1000000000000000055511151231257827",
}

var companies = []string{"GmbH & Co. KG", "Inc.", "S.à r.l.", "AG", "株式会社"}

var plans = []string{"free", "starter", "pro", "enterprise"}

var spread = [24]uint64{ // lines by local hour of the day, relative
	22, 16, 12, 10, 11, 16, 28, 42, 55, 62, 68, 72,
	76, 74, 72, 73, 75, 78, 82, 86, 84, 70, 50, 34,
}
