using System.Text;
using System.Text.Json;

namespace Accelerated.Agent.State;

/// <summary>
/// A JSON object read with the rules of Go's encoding/json (names without regard to case, last one wins, null is absent).
/// Every error names the key with its path and what was expected.
/// </summary>
internal readonly struct GoObject(JsonElement element, string path)
{
    /// <summary>Parses a text; what is not valid UTF-16 in it becomes U+FFFD.</summary>
    /// <exception cref="JsonException">It is not JSON.</exception>
    public static JsonDocument Parse(string json) => JsonDocument.Parse(Encoding.UTF8.GetBytes(json));

    /// <summary>The raw element of a key, or null.</summary>
    public JsonElement? Find(string key)
    {
        JsonElement? found = null;
        foreach (var property in element.EnumerateObject())
        {
            if (property.Value.ValueKind != JsonValueKind.Null && IsNamed(property, key))
                found = property.Value;
        }

        return found;
    }

    /// <summary>A text value.</summary>
    public string? String(string key) => Find(key) switch
    {
        null => null,
        { ValueKind: JsonValueKind.String } value => Text(value) ?? throw Wrong(key, value, "text without broken \\u escapes"),
        { } value => throw Wrong(key, value, "text in quotes"),
    };

    /// <summary>A truth value.</summary>
    public bool Bool(string key, bool absent) => Find(key) switch
    {
        null => absent,
        { ValueKind: JsonValueKind.True } => true,
        { ValueKind: JsonValueKind.False } => false,
        { } value => throw Wrong(key, value, "true or false, without quotes"),
    };

    /// <summary>A whole number between two bounds.</summary>
    public long Integer(string key, long absent, long least, long most)
    {
        if (Find(key) is not { } value)
            return absent;
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out var number) && number >= least && number <= most
            ? number
            : throw Wrong(key, value, $"a whole number from {least} to {most}, without quotes");
    }

    /// <summary>Whether a list has this text. For keys that are not flannel's: what is no such list says nothing, and is no error.</summary>
    public bool Lists(string key, string text) =>
        Find(key) is { ValueKind: JsonValueKind.Array } list && list.EnumerateArray().Any(e => e.ValueKind == JsonValueKind.String && Text(e) == text);

    /// <summary>A nested object.</summary>
    public GoObject? Object(string key) => Find(key) switch
    {
        null => null,
        { ValueKind: JsonValueKind.Object } value => new GoObject(value, path + key + "."),
        { } value => throw Wrong(key, value, "an object in braces"),
    };

    // An escape like \ud800 alone is valid JSON that stands for no text: reading it throws.
    private static string? Text(JsonElement value)
    {
        try
        {
            return value.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static bool IsNamed(JsonProperty property, string key)
    {
        try
        {
            return string.Equals(property.Name, key, StringComparison.OrdinalIgnoreCase);
        }
        catch (InvalidOperationException)
        {
            return false;
        }
    }

    private NetworkConfigException Wrong(string key, JsonElement value, string expected)
    {
        var text = value.GetRawText();
        return new NetworkConfigException($"{path}{key} is {(text.Length > 60 ? text[..60] + "…" : text)}: expected {expected}");
    }
}
