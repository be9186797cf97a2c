package generate

import "strconv"

// maxDevices is how many devices a user has at most.
const maxDevices = 3

// text is a string that may be null.
type text struct {
	value string
	set   bool
}

func some(s string) text { return text{s, true} }

// device is what a line says about the device and the app on it.
type device struct {
	id                         string
	platform, library          string
	osName, osVersion, version text
	kind                       text // device_type and device_family
	brand, manufacturer, model text
	carrier, adid, idfa        text
	startVersion               string
	ip                         string
	web                        bool
	tracksSessions             bool
	skew                       int64 // how far its clock is behind, in µs
}

type handset struct{ model, brand string }

var iPhones = []string{"iPhone 12", "iPhone 13 Pro", "iPhone 14 Pro Max", "iPhone SE (2nd generation)", "iPad Air", "iPhone"}

var androids = []handset{
	{"SM-G991B", "samsung"}, {"SM-A525F", "samsung"}, {"Pixel 7", "google"}, {"ONEPLUS A6013", "OnePlus"},
	{"ELE-L29", "HUAWEI"}, {"moto g(60)", "motorola"}, {"Redmi Note 11", "Xiaomi"},
}

var (
	browsers = []string{"Chrome", "Safari", "Firefox", "Edge", "Opera", "Chrome Mobile"}
	desktops = []string{"Windows", "Mac", "Linux", "Chrome OS"}
)

// device returns device d of a user, the same one every time.
func (p *plan) device(who *person, d uint8) device {
	r := newSource(p.seed, streamDevice, uint64(who.index), uint64(d))
	dev := p.hardware(r, r.below(20))
	if dev.carrier.set {
		dev.carrier = some(pick(r, who.place.carriers))
	}
	return dev
}

// sharedDevice returns the shared device with the given number: a tablet, or a
// kiosk in a browser.
func (p *plan) sharedDevice(number int) device {
	r := newSource(p.seed, streamDevice, 1<<40+uint64(number), 0)
	kiosk := number%2 == 1
	var dev device
	if kiosk {
		dev = p.hardware(r, 19)
		dev.id = "kiosk-" + padded(number/2+1, 8)
	} else {
		dev = p.hardware(r, 6)
		dev.id = "shared-tablet-" + padded(number/2+1, 4)
	}
	dev.tracksSessions = false
	return dev
}

// hardware draws a device; choice (0 to 19) decides between iOS, Android and
// the web.
func (p *plan) hardware(r *source, choice int) device {
	dev := device{
		startVersion:   version(r, 1, 4),
		ip:             address(r),
		tracksSessions: !r.oneIn(4),
	}
	// Rows of today name the device in device_type only.
	full := r.oneIn(3)
	switch {
	case choice < 6:
		dev.platform, dev.library = "iOS", "amplitude-ios/8.14.0"
		dev.id = string(appendUUID(nil, r, true))
		dev.osName, dev.osVersion = some("ios"), some(version(r, 13, 17))
		dev.kind, dev.carrier = some(pick(r, iPhones)), some("")
		if r.oneIn(3) {
			dev.idfa = some(string(appendUUID(nil, r, true)))
		}
		if full {
			dev.brand, dev.manufacturer, dev.model = some("Apple"), some("Apple"), dev.kind
		}
	case choice < 13:
		h := pick(r, androids)
		dev.platform, dev.library = "Android", "amplitude-android/2.39.8"
		dev.id = string(appendUUID(nil, r, false)) + "R"
		dev.osName, dev.osVersion = some("android"), some(strconv.Itoa(r.between(9, 14)))
		dev.kind, dev.carrier = some(h.model), some("")
		switch r.below(4) {
		case 0:
			dev.adid = some(string(appendUUID(nil, r, false)))
		case 1:
			dev.adid = some("")
		}
		if full {
			dev.brand, dev.manufacturer, dev.model = some(h.brand), some(h.brand), dev.kind
		}
	default:
		dev.platform, dev.library, dev.web = "Web", "amplitude-js/8.21.4", true
		if r.oneIn(4) {
			dev.id = string(appendToken(nil, r, 22))
		} else {
			dev.id = string(appendUUID(nil, r, false)) + "R"
		}
		dev.osName, dev.osVersion = some(pick(r, browsers)), some(strconv.Itoa(r.between(88, 120)))
		dev.kind = some(pick(r, desktops))
	}
	if !dev.web || r.oneIn(2) {
		dev.version = some(version(r, 4, 6))
	}
	switch r.below(6) {
	case 0: // a wrong clock
		dev.skew = r.span(40*minute) - 20*minute
	case 1, 2: // a clock that drifts
		dev.skew = (r.span(4000) - 2000) * millisecond
	}
	return dev
}

func version(r *source, lo, hi int) string {
	return strconv.Itoa(r.between(lo, hi)) + "." + strconv.Itoa(r.below(12)) + "." + strconv.Itoa(r.below(6))
}

func address(r *source) string {
	if r.oneIn(20) {
		return "2001:db8:" + strconv.FormatInt(int64(r.between(1, 0xffff)), 16) + "::" + strconv.FormatInt(int64(r.between(1, 0xffff)), 16)
	}
	b := strconv.AppendInt(nil, int64(r.between(64, 125)), 10)
	for range 3 {
		b = strconv.AppendInt(append(b, '.'), int64(r.between(1, 254)), 10)
	}
	return string(b)
}

func padded(n, width int) string {
	s := strconv.Itoa(n)
	for len(s) < width {
		s = "0" + s
	}
	return s
}

// appendUUID appends a random (version 4) UUID.
func appendUUID(b []byte, r *source, upper bool) []byte {
	digits := "0123456789abcdef"
	if upper {
		digits = "0123456789ABCDEF"
	}
	hi, lo := r.next(), r.next()
	hi = hi&^0xf000 | 0x4000
	lo = lo&^(3<<62) | 2<<62
	for i := 60; i >= 0; i -= 4 {
		b = append(b, digits[hi>>i&15])
		if i == 32 || i == 16 {
			b = append(b, '-')
		}
	}
	b = append(b, '-')
	for i := 60; i >= 0; i -= 4 {
		b = append(b, digits[lo>>i&15])
		if i == 48 {
			b = append(b, '-')
		}
	}
	return b
}

// appendToken appends n characters of the URL-safe base 64 alphabet.
func appendToken(b []byte, r *source, n int) []byte {
	const digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var x uint64
	for i := range n {
		if i%10 == 0 {
			x = r.next()
		}
		b = append(b, digits[x&63])
		x >>= 6
	}
	return b
}
