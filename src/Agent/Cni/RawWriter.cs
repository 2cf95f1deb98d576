using System.Text;

namespace Accelerated.Agent.Cni;

/// <summary>Writes one JSON object out of values as they were written and texts of our own. What a value's text is, it is for its writer to know.</summary>
public sealed class RawWriter
{
    private byte[] _text = new byte[1024];
    private int _length;

    /// <summary>Writes a value under a name; nothing if there is none.</summary>
    public RawWriter Add(string name, RawValue? value) => value is null ? this : Add(name, value.Json.Span);

    /// <summary>Writes a text under a name.</summary>
    public RawWriter Add(string name, string text) => Add(name, Encoding.UTF8.GetBytes(Quote(text)));

    /// <summary>Writes JSON under a name.</summary>
    public RawWriter Add(string name, ReadOnlySpan<byte> json)
    {
        Append(_length == 0 ? "{"u8 : ","u8);
        Append(Encoding.UTF8.GetBytes(Quote(name)));
        Append(":"u8);
        Append(json);
        return this;
    }

    /// <summary>Writes the values of an object as they are, but for those of some names.</summary>
    public RawWriter AddAll(RawObject? from, params ReadOnlySpan<string> without)
    {
        if (from is null)
            return this;
        foreach (var value in from.Values)
        {
            if (!Contains(without, value.Name))
                Add(value.Name, value.Json.Span);
        }

        return this;
    }

    /// <summary>The object.</summary>
    public byte[] ToArray()
    {
        Append(_length == 0 ? "{}"u8 : "}"u8);
        return _text.AsSpan(0, _length).ToArray();
    }

    /// <summary>A text in quotes (RFC 8259, section 7).</summary>
    public static string Quote(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var quoted = new StringBuilder(text.Length + 2).Append('"');
        foreach (var c in text)
        {
            if (c is '"' or '\\')
                quoted.Append('\\').Append(c);
            else if (c == '\n')
                quoted.Append("\\n");
            else if (c < ' ' || char.IsSurrogate(c))
                quoted.Append("\\u").Append(Hex(c >> 12)).Append(Hex(c >> 8)).Append(Hex(c >> 4)).Append(Hex(c));
            else
                quoted.Append(c);
        }

        return quoted.Append('"').ToString();
    }

    private void Append(ReadOnlySpan<byte> text)
    {
        if (_length + text.Length > _text.Length)
            Array.Resize(ref _text, Math.Max(_text.Length * 2, _length + text.Length));
        text.CopyTo(_text.AsSpan(_length));
        _length += text.Length;
    }

    private static char Hex(int digit) => "0123456789abcdef"[digit & 0xf];

    private static bool Contains(ReadOnlySpan<string> names, string name)
    {
        foreach (var one in names)
        {
            if (one == name)
                return true;
        }

        return false;
    }
}
