using Accelerated.Agent.Etcd;

namespace Accelerated.Agent.Tests.Etcd;

public class GrpcStatusTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("etcdserver: no leader", "etcdserver: no leader")]
    [InlineData("a%20b", "a b")]
    [InlineData("%e4%BD%a0%E5%A5%BD", "你好")]
    [InlineData("100%", "100%")]
    [InlineData("100%2", "100%2")]
    [InlineData("%zz%25", "%zz%")]
    [InlineData("%%41", "%A")]
    [InlineData("%2541", "%41")]
    [InlineData("%ff", "\ufffd")]
    public void PercentDecode_OfGrpcMessages_KeepsWhatIsNoSequence(string encoded, string expected) =>
        Assert.Equal(expected, GrpcStatus.PercentDecode(encoded));

    [Fact]
    public void Of_StatusInTheTrailers_IsReadFromThere()
    {
        using var response = new HttpResponseMessage();
        response.TrailingHeaders.Add("grpc-status", "14");
        response.TrailingHeaders.TryAddWithoutValidation("grpc-message", "no%0Aleader ");
        Assert.Equal(new GrpcStatus(EtcdStatusCode.Unavailable, "no leader"), GrpcStatus.Of(response));
    }

    [Fact]
    public void Of_TrailersOnlyAnswer_IsReadFromTheHeaders()
    {
        using var response = new HttpResponseMessage();
        response.Headers.Add("grpc-status", "5");
        Assert.Equal(new GrpcStatus(EtcdStatusCode.NotFound, ""), GrpcStatus.Of(response));
    }

    [Theory]
    [InlineData("17")]
    [InlineData("-1")]
    [InlineData("ok")]
    [InlineData("99999999999")]
    public void Of_StatusOutsideTheList_IsUnknown(string number)
    {
        using var response = new HttpResponseMessage();
        response.Headers.TryAddWithoutValidation("grpc-status", number);
        Assert.Equal(EtcdStatusCode.Unknown, GrpcStatus.Of(response)?.Code);
    }

    [Fact]
    public void Of_AnswerWithoutStatus_IsNull()
    {
        using var response = new HttpResponseMessage();
        Assert.Null(GrpcStatus.Of(response));
    }

    [Fact]
    public void OnOneLine_OfALongText_IsCut() => Assert.Equal(500, GrpcStatus.OnOneLine(new string('x', 9999)).Length);
}
