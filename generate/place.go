package generate

// place is where a user lives: what Amplitude derives from the IP address, and
// what follows from it.
type place struct {
	country, region, city string
	dma                   string // American market area, "" elsewhere
	language              string
	lat, lng              int // 1/10000 degree
	zone                  int // hours east of UTC, whole ones
	carriers              []string
}

var (
	carriersUS = []string{"T-Mobile", "AT&T", "Verizon", "Unknown"}
	carriersDE = []string{"Telekom.de", "Vodafone", "o2 - de", "--"}
	carriersJP = []string{"NTT DOCOMO", "ソフトバンク", "--"}
)

var places = []place{
	{"United States", "New York", "New York", "New York, NY", "English", 407128, -740060, -5, carriersUS},
	{"United States", "Washington", "Seattle", "Seattle-Tacoma, WA", "English", 476062, -1223321, -8, carriersUS},
	{"United States", "Texas", "Austin", "Austin, TX", "English", 302672, -977431, -6, carriersUS},
	{"United States", "Florida", "Miami", "Miami-Ft. Lauderdale, FL", "Spanish", 257617, -801918, -5, carriersUS},
	{"United States", "California", "San Francisco", "San Francisco-Oakland-San Jose, CA", "English", 377749, -1224194, -8, carriersUS},
	{"United Kingdom", "Greater London", "Croydon", "", "English", 513762, -982, 0, []string{"EE", "Vodafone", "O2 - UK"}},
	{"United Kingdom", "Scotland", "Edinburgh", "", "English", 559533, -31883, 0, []string{"EE", "3"}},
	{"Germany", "Baden-Württemberg", "Tübingen", "", "German", 485216, 90576, 1, carriersDE},
	{"Germany", "Nordrhein-Westfalen", "Köln", "", "German", 509375, 69603, 1, carriersDE},
	{"Germany", "Bayern", "Fürth", "", "German", 494772, 109888, 1, carriersDE},
	{"Austria", "Niederösterreich", "St. Pölten", "", "German", 482036, 156256, 1, []string{"A1", "Magenta"}},
	{"France", "Île-de-France", "Saint-Ouen", "", "French", 489118, 23344, 1, []string{"Orange F", "SFR", "Free"}},
	{"France", "Provence-Alpes-Côte d'Azur", "Nice", "", "French", 437102, 72620, 1, []string{"Orange F", "Bouygues"}},
	{"Brazil", "Paraná", "Maringá", "", "Portuguese", -234205, -519331, -3, []string{"Vivo", "Claro", "TIM"}},
	{"Brazil", "São Paulo", "São José dos Campos", "", "Portuguese", -232237, -459009, -3, []string{"Vivo", "Oi"}},
	{"India", "Karnataka", "Bengaluru", "", "Hindi", 129716, 775946, 5, []string{"Jio", "Airtel", "Vodafone"}},
	{"India", "Maharashtra", "Mumbai", "", "English", 190760, 728777, 5, []string{"Jio", "Airtel"}},
	{"Japan", "福岡県", "福岡市", "", "Japanese", 335902, 1304017, 9, carriersJP},
	{"Japan", "東京都", "渋谷区", "", "Japanese", 356620, 1397038, 9, carriersJP},
	{"Russia", "Санкт-Петербург", "Санкт-Петербург", "", "Russian", 599311, 303609, 3, []string{"МТС", "MegaFon"}},
	{"Poland", "Łódź Voivodeship", "Łódź", "", "Polish", 517592, 194560, 1, []string{"Play", "Orange PL"}},
	{"Türkiye", "İstanbul", "Beşiktaş", "", "Turkish", 410430, 290094, 3, []string{"Turkcell", "--"}},
	{"Israel", "Tel Aviv", "תל אביב", "", "Hebrew", 320853, 347818, 2, []string{"Partner", "Unknown"}},
	{"South Korea", "서울특별시", "Gangnam-gu", "", "Korean", 374979, 1270276, 9, []string{"SKTelecom", "KT"}},
}
