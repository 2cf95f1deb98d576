using System.Text.Json;

namespace Accelerated.Agent.Cni;

/// <summary>
/// One level of a JSON text: the values of an object or of a list, each as it was written. The plugin takes a few out and hands the rest
/// on as it is; JsonDocument and Utf8JsonWriter do more, and loading and compiling them costs the plugin 40 ms at each start.
/// </summary>
public sealed class RawObject
{
    private readonly List<RawValue> _values = [];

    private RawObject(bool isObject) => IsObject = isObject;

    /// <summary>Nothing.</summary>
    public static RawObject Empty { get; } = new(true);

    /// <summary>Whether it is an object; otherwise it is a list, or a single value.</summary>
    public bool IsObject { get; }

    /// <summary>The values in order, also those that a later one of the same name replaces.</summary>
    public IReadOnlyList<RawValue> Values => _values;

    /// <summary>Reads one level; what is below is checked, too.</summary>
    /// <exception cref="JsonException">It is not JSON.</exception>
    public static RawObject Parse(ReadOnlyMemory<byte> json)
    {
        var reader = new Utf8JsonReader(json.Span);
        reader.Read();
        var level = new RawObject(reader.TokenType == JsonTokenType.StartObject);
        if (reader.TokenType is JsonTokenType.StartObject or JsonTokenType.StartArray)
        {
            while (reader.Read() && reader.TokenType is not (JsonTokenType.EndObject or JsonTokenType.EndArray))
            {
                var name = "";
                if (level.IsObject)
                {
                    name = Unescape(ref reader) ?? "";
                    reader.Read();
                }

                var (kind, start) = (reader.TokenType, (int)reader.TokenStartIndex);
                reader.Skip();
                level._values.Add(new(name, kind, json[start..(int)reader.BytesConsumed]));
            }
        }

        // What follows the end is not JSON.
        reader.Read();
        return level;
    }

    /// <summary>The last value of that very name, or null.</summary>
    public RawValue? Find(string name)
    {
        for (var i = _values.Count - 1; i >= 0; i--)
        {
            if (_values[i].Name == name)
                return _values[i];
        }

        return null;
    }

    /// <summary>As Go's encoding/json finds a field: the last value of that name without regard to case; null stands for absent.</summary>
    /// <param name="name">The name, ASCII.</param>
    public RawValue? FindField(string name)
    {
        for (var i = _values.Count - 1; i >= 0; i--)
        {
            if (_values[i].Kind != JsonTokenType.Null && IsNamed(_values[i].Name, name))
                return _values[i];
        }

        return null;
    }

    // An escape like \ud800 alone is valid JSON that stands for no text: reading it throws.
    internal static string? Unescape(ref Utf8JsonReader reader)
    {
        try
        {
            return reader.GetString();
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    private static bool IsNamed(string found, string name)
    {
        if (found.Length != name.Length)
            return false;
        for (var i = 0; i < name.Length; i++)
        {
            if (char.ToLowerInvariant(found[i]) != char.ToLowerInvariant(name[i]))
                return false;
        }

        return true;
    }
}
