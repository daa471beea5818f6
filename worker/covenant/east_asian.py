"""The commonest words of covenants in Chinese, Japanese and Korean, each with the English words it is read as.

These scripts put no spaces between words, so the longest phrase of the table is taken at each place.
"""

from __future__ import annotations

_WORDS = (
    ("dollars", "美元 美金 刀 ドル 米ドル 달러 弗 美圓"),
    ("cents", "美分 セント 센트"),
    ("eur", "欧元 歐元 ユーロ 유로"),
    ("gbp", "英镑 英鎊 ポンド 파운드"),
    ("cny", "人民币 人民幣 块钱 人民元 위안"),
    ("jpy", "日元 日圆 日円 엔화"),
    ("krw", "韩元 ウォン 원"),
    ("milliseconds", "毫秒 ミリ秒 밀리초"),
    ("seconds", "秒钟 秒鐘 秒間 秒 초"),
    ("minutes", "分钟 分鐘 分間 分 분"),
    ("hours", "个小时 個小時 小时 小時 時間 시간"),
    ("days", "天 日間 일간"),
    ("max", "以内 以內 之内 之內 以下 内 內 未満 まで 最多 最大 最高限额 至多 不超过 不超過 不要超过 不得超过"),
    (
        "max",
        "上限 最高 少于 低于 小于 이내 이하 미만 까지 최대 안에 내에 한도 넘지 제한 限制 限度 を超えない",
    ),
    ("min", "至少 最少 以上 最低でも 少なくとも 최소 이상 적어도"),
    ("about", "大约 大約 大概 左右 约 約 およそ 대략 약 정도"),
    ("budget", "预算 預算 予算 예산"),
    ("cost", "费用 費用 花费 花費 成本 价格 コスト 料金 価格 비용 가격 돈"),
    ("deadline", "期限 截止 截止时间 时限 時限 タイムアウト 超时 超時 制限時間 마감 제한시간 타임아웃 기한"),
    ("time", "时间 時间 响应时间 応答時間 응답시간"),
    ("answer", "回答 回复 回覆 答复 返答 応答 답변 응답 대답"),
    ("spend", "花 支付 支払い 써 지불"),
    ("quality", "质量 質量 品質 품질 准确性 精度 정확도 クオリティ"),
    ("speed", "速度 스피드 속도 性能 スピード"),
    ("security", "安全性 安全 隐私 隱私 セキュリティ プライバシー 보안 개인정보보호 프라이버시"),
    ("priority", "优先级 優先順位 우선순위 最優先"),
    ("first", "优先 優先 第一 우선 먼저"),
    ("high", "高 높은 高い"),
    ("low", "低 낮은 低い"),
    (
        "fast",
        "快 快速 尽快 儘快 越快越好 马上 立即 立刻 最快 速く 早く 急いで すぐに 至急 できるだけ早く 最速 素早く 迅速",
    ),
    ("fast", "빨리 빠르게 빠른 신속하게 신속히 즉시 최대한 가능한 한 빨리 급해요"),
    ("cheap", "便宜 最便宜 省钱 省錢 越便宜越好 节省 经济 安く 安い 最安 できるだけ安く 格安 節約"),
    ("cheap", "저렴하게 저렴한 싸게 싼 가장 저렴하게 절약 최저가"),
    ("confidential", "机密 機密 保密 秘密 極秘 内密 기밀 비밀 대외비"),
    ("balanced", "平衡 均衡 バランス 균형"),
    ("high quality", "高质量 高品质 高品質 最高质量 最好的质量 最高品質 고품질 최고 품질 最高の品質 最佳质量"),
    ("must be accurate", "准确 精确 正確 正確に 정확하게 정확한 正确"),
    ("low quality", "低质量 低品質 저품질 草稿 下書き 초안"),
    ("medium quality", "中等质量 普通质量 中品質 보통 품질"),
    (
        "no logging",
        "不要记录 不记录 不留日志 不要日志 无日志 ログなし ログを残さない 記録しない 로그 없이 기록하지 로그 금지",
    ),
    (
        "no training",
        "不用于训练 不要用于训练 不得用于训练 禁止训练 学習に使わない 学習禁止 학습 금지 훈련 금지 학습에 사용하지",
    ),
    ("local only", "本地 离线 離線 ローカル オフライン 로컬 오프라인"),
    ("encrypted", "加密 暗号化 암호화"),
    ("anonymize", "匿名化 脱敏 匿名 익명화"),
    ("logs", "日志 日誌 ログ 로그"),
    ("gdpr", "通用数据保护条例"),
    ("in EU", "欧盟 歐盟 欧洲 EU内 欧州 유럽 유럽연합"),
    ("in germany", "德国 德國 ドイツ 독일"),
    ("in japan", "日本 일본"),
    ("in china", "中国 中國 중국"),
    ("in us", "美国 美國 アメリカ 米国 미국"),
    ("in korea", "韩国 韓国 한국"),
    ("only", "只 仅 仅限 限定 のみ だけ 만"),
    ("not", "不要 不能 不得 不在 禁止 금지 않게"),
    ("unlimited", "无限制 不限 無制限 제한없음 무제한"),
    ("per request", "每次请求 每个请求 每次 每条 リクエストごと 1回あたり 一回あたり 毎回 요청당 건당 회당"),
    ("per day", "每天 每日 毎日 1日あたり 一日あたり 하루에 하루 매일"),
    ("per hour", "每小时 每小時 1時間あたり 毎時 시간당"),
    ("per month", "每月 每个月 毎月 1か月あたり 월 한달에 매월"),
    ("total", "总共 總共 一共 合计 总预算 合計 全部で 총 합계 전체"),
    ("tomorrow", "明天 明日 내일"),
    ("today", "今天 今日 오늘"),
    ("soon", "不久 もうすぐ 곧"),
    ("actually", "不对 不對 改成 改为 いや 訂正 아니"),
    ("and", "和 并且 以及 と かつ 그리고 와 과 且 并"),
    ("please", "请 請 ください お願いします 願います でお願いします 주세요 부탁해요 부탁합니다 해주세요 해 즉"),
    ("the", "的 了 在 为 是 我 我的 要 得 の は を で に が も して する です ます た て 必须 必須"),
    ("the", "은 는 이 가 을 를 의 에 로 으로 입니다 이에요 예요 합니다 하게 해야 하고 이고 으로만 정해진"),
    ("translate", "翻译 翻譯 翻訳 번역"),
    ("summarize", "总结 總結 要約 요약 概括"),
    ("write", "写 寫 書いて 써줘 작성"),
    ("explain", "解释 解釋 説明 설명"),
    ("find", "找 查找 探して 찾아"),
    ("what", "什么 什麼 何 무엇 多少 いくら 얼마"),
)
#: A word of these scripts -> the English words it is read as.
READ_AS: dict[str, str] = {word: english for english, words in _WORDS for word in words.split()}
_DIGITS = {
    **{mark: value for value, mark in enumerate("零一二三四五六七八九")},
    "〇": 0,
    "两": 2,
    "兩": 2,
    "壹": 1,
    "弐": 2,
    "参": 3,
}
_SCALES = {"十": 10, "百": 100, "千": 1000, "万": 10_000, "萬": 10_000}
_NUMERALS = "".join((*_DIGITS, *_SCALES))
_LONGEST_FIRST = sorted(READ_AS, key=lambda word: (-len(word), word))
#: Of the regular expression: a number in Chinese characters before a unit, and a word. ASCII is passed by at once.
EAST_ASIAN = (
    r"(?=[\u3005-\u9fff\uac00-\ud7a3])"
    rf"(?:(?P<numeral>[{_NUMERALS}]{{1,12}}(?=个?小?[美欧歐英日元円秒分時时小天块ドユセ毫]))"
    rf"|(?P<phrase>{'|'.join(_LONGEST_FIRST)})|(?P<foreign>(?![元円])[\u3041-\u9fff\uac00-\ud7a3]))"
)


def numeral(text: str) -> str:
    """The figures of a number in Chinese characters: "二十五" is 25; without a scale it is read digit by digit."""
    if not any(mark in _SCALES for mark in text):
        return "".join([str(_DIGITS[mark]) for mark in text])
    total, section, digit = 0, 0, 0
    for mark in text:
        if mark in _DIGITS:
            digit = _DIGITS[mark]
        elif _SCALES[mark] == 10_000:
            total, section, digit = (total + (section + digit or 1)) * 10_000, 0, 0
        else:
            section, digit = section + (digit or 1) * _SCALES[mark], 0
    return str(total + section + digit)
