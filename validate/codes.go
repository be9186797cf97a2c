package validate

import (
	"strings"

	"golang.org/x/text/currency"
	"golang.org/x/text/language"

	"export2batch/internal/jsonscan"
)

// newCurrencies are the ISO 4217 codes that the library's list is too old for.
const newCurrencies = " SLE UYW VED VES XCG ZWG "

// checkCodes looks at the codes of currencies and countries. A country of more
// than three characters is a name, which exports have.
func checkCodes(c *checker, e *event) {
	if f := e.field(keyCurrency); f != nil && f.Kind == jsonscan.String && f.End-f.Start > 2 {
		if code := f.Value(e.text); string(code) != c.goodCurrency {
			if isCurrency(string(code[1 : len(code)-1])) {
				c.goodCurrency = string(code)
			} else {
				c.report(ruleCurrency, keyCurrency.pointer(), "is no ISO 4217 code of a currency", 1)
			}
		}
	}
	if f := e.field(keyCountry); f != nil && f.Kind == jsonscan.String && f.End-f.Start <= 5 && f.End-f.Start > 2 {
		if code := f.Value(e.text); string(code) != c.goodCountry {
			if isCountry(string(code[1 : len(code)-1])) {
				c.goodCountry = string(code)
			} else {
				c.report(ruleCountry, keyCountry.pointer(), "is neither an ISO 3166-1 code of a country nor long enough for its name", 1)
			}
		}
	}
}

func isCurrency(code string) bool {
	if len(code) != 3 {
		return false
	}
	if _, err := currency.ParseISO(code); err == nil {
		return true
	}
	return strings.Contains(newCurrencies, " "+strings.ToUpper(code)+" ")
}

// isCountry takes codes of two and three letters, and UK and USA as people
// write them.
func isCountry(code string) bool {
	for i := range len(code) {
		if c := code[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	region, err := language.ParseRegion(code)
	return err == nil && region.IsCountry()
}
